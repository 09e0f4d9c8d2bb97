//! The played Tableau: runs of flows, and extract refresh tasks.

use afterrun_simulators::tableau::Item;
use reqwest::Method;
use serde_json::json;

use crate::client::{Seen, request, send};
use crate::tableau::{as_json, call, get, played, sign_in};

#[tokio::test]
async fn a_flow_becomes_a_job_and_a_run_that_ends_with_it() {
    let tableau = played().await;
    let flow = tableau.add_flow(Item::new("Prep", "Finance"));
    let session = sign_in(&tableau).await;
    let found = get(&tableau, &session, "flows?filter=name:eq:Prep").await.json();
    assert_eq!(found["flows"]["flow"][0]["id"], flow);
    let started = call(&tableau, &session, Method::POST, &format!("flows/{flow}/run")).await;
    assert_eq!(started.status, 202);
    let job = started.json()["job"].clone();
    assert_eq!(job["type"], "RunFlow");
    assert_eq!(job["runFlowJobType"]["flow"], json!({ "id": flow, "name": "Prep" }));
    let run = job["runFlowJobType"]["flowRunId"].as_str().unwrap().to_owned();
    let id = job["id"].as_str().unwrap();
    assert_ne!(run, id);

    let look = async || {
        let path = format!("flows/runs/{run}");
        get(&tableau, &session, &path).await.json()["flowRun"].clone()
    };
    let queued = look().await;
    assert_eq!((&queued["status"], queued.get("startedAt")), (&json!("Pending"), None));
    tableau.start_job(id);
    let running = look().await;
    assert_eq!((&running["status"], &running["completedAt"]), (&json!("InProgress"), &json!("")));
    assert_eq!((&running["backgroundJobId"], &running["flowId"]), (&json!(id), &json!(flow)));
    tableau.finish_job(id, 1, "disk full");
    let ended = look().await;
    assert_eq!(ended["status"], "Failed");
    assert_ne!(ended["completedAt"], "");
    let job = get(&tableau, &session, &format!("jobs/{id}")).await.json()["job"].clone();
    assert_eq!(job["statusNotes"]["statusNote"][0]["text"], "disk full");
}

#[tokio::test]
async fn flows_came_with_one_version_and_their_runs_with_another() {
    let tableau = played().await;
    let flow = tableau.add_flow(Item::new("Prep", "Finance"));
    let session = sign_in(&tableau).await;
    let site = format!("sites/{}", tableau.site_id());
    let status = async |version: &str, method: Method, path: &str| -> u16 {
        let url = format!("{}/api/{version}/{site}/{path}", tableau.url());
        let asked = as_json(request(method, &url)).header("x-tableau-auth", &session);
        send(asked.body("{}")).await.unwrap().status
    };
    let run = format!("flows/{flow}/run");
    assert_eq!(status("3.2", Method::GET, "flows").await, 404);
    assert_eq!(status("3.2", Method::POST, &run).await, 404);
    assert_eq!(status("3.3", Method::POST, &run).await, 202);
    let run = format!("flows/runs/{}", tableau.jobs()[0].flow_run.clone().unwrap());
    assert_eq!(status("3.9", Method::GET, &run).await, 404);
    assert_eq!(status("3.10", Method::GET, &run).await, 200);
    assert_eq!(status("3.10", Method::DELETE, &run).await, 405);
}

#[tokio::test]
async fn a_task_is_listed_without_pages_and_with_no_more_than_the_id_of_its_item() {
    let tableau = played().await;
    let source = tableau.add_datasource(Item::new("Orders", "Finance"));
    let task = tableau.add_task(&source, "Nightly");
    let session = sign_in(&tableau).await;
    let path = "tasks/extractRefreshes?pageSize=1&pageNumber=7";
    let list = get(&tableau, &session, path).await.json();
    assert_eq!(list.get("pagination"), None);
    let listed = &list["tasks"]["task"][0]["extractRefresh"];
    assert_eq!((&listed["id"], &listed["schedule"]["name"]), (&json!(task), &json!("Nightly")));
    assert_eq!(listed["datasource"], json!({ "id": source }));
}

#[tokio::test]
async fn a_task_is_run_by_an_empty_request_in_xml_and_meets_the_jobs_of_its_item() {
    let tableau = played().await;
    let source = tableau.add_datasource(Item::new("Orders", "Finance"));
    let task = tableau.add_task(&source, "Nightly");
    let session = sign_in(&tableau).await;
    let run = async |task: &str, body: &'static str| -> Seen {
        let path = format!("sites/{}/tasks/extractRefreshes/{task}/runNow", tableau.site_id());
        let asked = request(Method::POST, &format!("{}/api/3.27/{path}", tableau.url()));
        let asked = asked.header("x-tableau-auth", &session).header("accept", "application/json");
        send(asked.header("content-type", "application/xml").body(body)).await.unwrap()
    };
    for body in ["", "{}", "<tsRequest>", "<tsResponse/>"] {
        assert_eq!(run(&task, body).await.error().0, 400, "{body}");
    }
    assert_eq!(run("none", "<tsRequest/>").await.error().0, 404);
    let started = run(&task, "<tsRequest/>").await.json();
    assert_eq!(started["job"]["id"], tableau.jobs()[0].id);
    assert_eq!(started["job"].get("extractRefreshJob"), None);
    assert_eq!(run(&task, "<tsRequest/>").await.error(), (409, "409093".to_owned()));
}
