//! `afterrun demo`.

use crate::harness::Home;

#[test]
fn the_tour_shows_each_refresh_to_its_confirmed_end() {
    let ended = Home::new().run(&["demo", "--once"]).exits(0);
    let told = &ended.out;
    assert_eq!(told.matches("200 stored").count(), 14, "{ended}");
    assert_eq!(told.matches("200 duplicate").count(), 3, "{ended}");
    assert!(told.matches("still running").count() >= 3, "{ended}");
    assert_eq!(told.matches("ended well").count(), 8, "{ended}");
    assert_eq!(told.matches("confirmed after").count(), 8, "{ended}");
    assert_eq!(told.matches("refresh_state succeeded").count(), 7, "{ended}");
    assert_eq!(told.matches("starts nothing: no route").count(), 2, "{ended}");
    for word in ["sales-report", "sales-workbook", "churn-report", "503"] {
        assert!(told.contains(word), "{word}: {ended}");
    }
    for reason in ["behind refresh", "waiting for job 282195", "tried again soon", ", anew"] {
        assert!(told.contains(reason), "{reason}: {ended}");
    }
    for asked in [
        "4 of 5 tries come to nothing",
        "arrived_by reconcile",
        "starts nothing more: same run as recon:4711:90011:10",
        "who reads it (manifest.json)",
        "nothing upstream of exposure finance was built in this run",
        "skips sales-report: model fct_orders failed",
        "run_error model fct_orders: Database Error",
    ] {
        assert!(told.contains(asked), "{asked}: {ended}");
    }
    assert!(told.contains("All of it really happened"), "{ended}");
    assert!(!told.lines().any(|line| line.trim_end().ends_with("started")), "{ended}");
    assert!(told.contains("are removed again"), "{ended}");
    assert!(!told.contains('\u{1b}'), "colours where nobody sees them: {ended}");
    assert_eq!(ended.err, "", "{ended}");
}

#[test]
fn without_once_it_goes_on_until_it_is_stopped_and_says_how_to_look() {
    let home = Home::new();
    let data = home.path().join("data");
    let data = data.to_str().unwrap();
    let demo = home.start(&["demo", "--data-dir", data]);
    demo.says("the console");
    demo.says("Ctrl-C ends it");
    let refreshes = ["refreshes", "--data-dir", data, "--state", "succeeded", "--output", "json"];
    let list = home.run(&refreshes).exits(0).json();
    let stale = ["refreshes", "--data-dir", data, "--state", "failed", "--follow"];
    home.start(&stale).says("margin-report");
    assert_eq!(list.as_array().unwrap().len(), 10);
    assert_eq!(demo.ends_on("INT"), Some(0));
}
