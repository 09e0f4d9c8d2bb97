use crate::args::Common;
pub(crate) async fn measure(_: u16, _: &Common) -> anyhow::Result<bool> {
    anyhow::bail!("later")
}
