//! What a road does, seen from its two ends.

use tokio::io::AsyncWriteExt as _;

use super::*;

const SOON: Duration = Duration::from_secs(5);

/// A server that sends back what it gets, and a road to it.
async fn road() -> (Road, JoinSet<()>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let road = Road::to(listener.local_addr().unwrap()).await.unwrap();
    let mut server = JoinSet::new();
    server.spawn(async move {
        let mut all = JoinSet::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            all.spawn(async move {
                let (mut read, mut write) = stream.split();
                drop(tokio::io::copy(&mut read, &mut write).await);
            });
        }
    });
    (road, server)
}

async fn echo(stream: &mut TcpStream, text: &str) -> io::Result<String> {
    stream.write_all(text.as_bytes()).await?;
    let mut back = vec![0; text.len()];
    stream.read_exact(&mut back).await?;
    Ok(String::from_utf8(back).unwrap())
}

#[tokio::test]
async fn what_passes_is_what_came() {
    let (road, _server) = road().await;
    let mut stream = TcpStream::connect(road.address()).await.unwrap();
    assert_eq!(echo(&mut stream, "hello").await.unwrap(), "hello");
    road.suffer(Trouble::Drip(Duration::from_millis(1)));
    assert_eq!(echo(&mut stream, "drop by drop").await.unwrap(), "drop by drop");
    road.suffer(Trouble::Delay(Duration::from_millis(1)));
    assert_eq!(echo(&mut stream, "late").await.unwrap(), "late");
}

#[tokio::test]
async fn a_cut_resets_what_is_open_and_lets_the_next_one_through() {
    let (road, _server) = road().await;
    let mut stream = TcpStream::connect(road.address()).await.unwrap();
    echo(&mut stream, "hello").await.unwrap();
    road.cut(true);
    let error = stream.read(&mut [0; 8]).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    let mut stream = TcpStream::connect(road.address()).await.unwrap();
    assert_eq!(echo(&mut stream, "again").await.unwrap(), "again");
    road.suffer(Trouble::CutAfter(2));
    let mut stream = TcpStream::connect(road.address()).await.unwrap();
    assert!(echo(&mut stream, "longer").await.is_err());
}

#[tokio::test]
async fn a_silenced_connection_stays_dead_and_is_not_told() {
    let (road, _server) = road().await;
    let mut stream = TcpStream::connect(road.address()).await.unwrap();
    echo(&mut stream, "hello").await.unwrap();
    road.suffer(Trouble::Silence);
    road.suffer(Trouble::None);
    stream.write_all(b"anybody?").await.unwrap();
    let mut byte = [0];
    let read = tokio::time::timeout(Duration::from_millis(200), stream.read(&mut byte)).await;
    assert!(read.is_err(), "{read:?}");
    let mut fresh = TcpStream::connect(road.address()).await.unwrap();
    assert_eq!(echo(&mut fresh, "fresh").await.unwrap(), "fresh");
}

#[tokio::test]
async fn watched_bytes_are_held_even_if_they_come_in_two_pieces() {
    let (road, _server) = road().await;
    let mut stream = TcpStream::connect(road.address()).await.unwrap();
    let watching = road.hold(Way::There, b"COMMIT", SOON);
    let sending = async {
        stream.write_all(b"please COM").await.unwrap();
        tokio::task::yield_now().await;
        stream.write_all(b"MIT now").await.unwrap();
    };
    let (held, ()) = tokio::join!(watching, sending);
    let held = held.expect("the bytes came");
    let mut back = vec![0; 17];
    let early = tokio::time::timeout(Duration::from_millis(100), stream.read_exact(&mut back));
    assert!(early.await.is_err(), "what is held passed");
    held.cut();
    assert!(stream.read(&mut [0; 32]).await.is_err());
}

#[tokio::test]
async fn two_can_watch_one_road_and_one_that_gave_up_is_in_nobodys_way() {
    let (road, _server) = road().await;
    let mut stream = TcpStream::connect(road.address()).await.unwrap();
    assert!(road.hold(Way::There, b"the", Duration::from_millis(1)).await.is_none());
    let comes = async |bytes: &[u8]| road.hold(Way::There, bytes, SOON).await.is_some();
    let watching = async { tokio::join!(comes(b"first"), comes(b"second")) };
    let sending = async {
        echo(&mut stream, "the first").await.unwrap();
        echo(&mut stream, "the second").await.unwrap();
    };
    assert_eq!(tokio::join!(watching, sending).0, (true, true));
}

#[tokio::test]
async fn bytes_that_have_passed_are_too_late_for_a_watch() {
    let (road, _server) = road().await;
    let mut stream = TcpStream::connect(road.address()).await.unwrap();
    let longer = road.hold(Way::There, b"something much longer", SOON);
    let after = async {
        echo(&mut stream, "some").await.unwrap();
        let watching = road.hold(Way::There, b"some", Duration::from_millis(100));
        assert!(tokio::join!(watching, echo(&mut stream, "thing")).0.is_none());
        echo(&mut stream, " much longer").await.unwrap_err();
    };
    let longer = async { longer.await.expect("it came in three pieces").cut() };
    tokio::join!(longer, after);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_held_when_its_connection_is_cut_never_arrives() {
    let (road, _server) = road().await;
    // Whether the cut or the end of the hold is seen first is chance.
    for _ in 0..100 {
        let stream = TcpStream::connect(road.address()).await.unwrap();
        let (mut read, mut write) = stream.into_split();
        let mut reading = JoinSet::new();
        reading.spawn(async move { read.read(&mut [0; 8]).await });
        let watching = road.hold(Way::Back, b"answer", SOON);
        let (held, written) = tokio::join!(watching, write.write_all(b"answer"));
        written.unwrap();
        held.expect("the bytes came").cut();
        let read = reading.join_next().await.unwrap().unwrap();
        let error = read.expect_err("what was held arrived");
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    }
}
