//! Cancelling: only what has really ended counts as stopped.

use super::*;
#[tokio::test]
async fn a_cancelled_job_ends_as_cancelled() {
    for started in [false, true] {
        let played = by_hand().await;
        let target = played.sales();
        let job = start(&target).await.remote_id;
        if started {
            played.tableau.start_job(&job);
        }
        assert_eq!(target.cancel(&job).await.answer.unwrap(), Cancelled::There);
        let job = played.tableau.jobs().remove(0);
        assert_eq!((job.finish_code, job.completed_at.is_some()), (Some(2), true));
    }
}

#[tokio::test]
async fn a_job_that_had_ended_is_there_already_whatever_the_refusal() {
    for status in [400, 404, 409, 405] {
        let played = by_hand().await;
        let target = played.sales();
        let job = start(&target).await.remote_id;
        played.tableau.finish_open(0);
        played.faults().always("PUT", "/jobs/", Fault::status(status));
        assert_eq!(target.cancel(&job).await.answer.unwrap(), Cancelled::There, "{status}");
        assert_eq!(played.tableau.jobs()[0].finish_code, Some(0));
    }
}

#[tokio::test]
async fn a_refusal_is_no_end_while_the_job_goes_on_or_is_unknown() {
    let played = by_hand().await;
    let target = played.sales();
    let job = start(&target).await.remote_id;
    for status in [400, 404, 409, 403, 503, 429] {
        played.faults().on("PUT", "/jobs/", 1, Fault::status(status));
        let called = target.cancel(&job).await;
        assert_eq!(called.http_status, Some(status));
        assert_eq!(called.answer.unwrap_err().http_status(), Some(status));
    }
    for (put, get) in [(404, 404), (409, 404), (404, 503)] {
        played.faults().on("PUT", "/jobs/", 1, Fault::status(put));
        played.faults().on("GET", "/jobs/", 1, Fault::status(get));
        target.cancel(&job).await.answer.unwrap_err();
    }
    let calls = played.calls().len();
    let error = target.cancel("../../x").await.answer.unwrap_err();
    assert!(matches!(error, ConnectorError::NoSuch(_)), "{error:?}");
    assert_eq!(played.calls().len(), calls, "what is no id is not sent");
    assert_eq!(played.tableau.jobs()[0].status, "Pending");
}
