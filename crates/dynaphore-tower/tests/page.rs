//! The gateway's page in headless Chromium, driven by chromedriver: both must be installed.

#[path = "../examples/gateway/gateway.rs"]
mod gateway;
#[allow(dead_code)] // Uses a part of it.
#[path = "../examples/gateway/load.rs"]
mod load;
#[allow(dead_code)] // Uses a part of it.
#[path = "../examples/gateway/upstream.rs"]
mod upstream;

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    time::Duration,
};

use fantoccini::{Client, ClientBuilder, Locator, error::CmdError};
use gateway::{Gateway, Options};
use load::Load;
use tokio::time::{sleep, timeout};
use upstream::Upstream;

/// Ends with this.
struct Driver(Child);

impl Driver {
    /// chromedriver on a port that is free, and the port.
    fn start() -> (Self, String) {
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            .stdout(Stdio::piped())
            .spawn()
            .expect("chromedriver is installed");
        let lines = BufReader::new(driver.stdout.take().unwrap()).lines();
        let said = "started successfully on port ";
        let port = lines
            .map_while(Result::ok)
            .find_map(|line| Some(line.split_once(said)?.1.trim_end_matches('.').to_owned()));
        (Self(driver), port.expect("it says where it listens"))
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

async fn text(page: &Client, id: &str) -> Result<String, CmdError> {
    page.find(Locator::Id(id)).await?.text().await
}

/// Moves the slider, as a hand does.
async fn slide(page: &Client, max: usize) -> Result<(), CmdError> {
    let script = "const slider = document.getElementById('slider');
        slider.value = arguments[0];
        slider.dispatchEvent(new Event('input'));
        slider.dispatchEvent(new Event('change'));";
    page.execute(script, vec![max.into()]).await.map(|_| ())
}

async fn until(page: &Client, id: &str, what: impl Fn(&str) -> bool) -> Result<(), CmdError> {
    while !what(&text(page, id).await?) {
        sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

async fn look(page: &Client, gateway: &Gateway) -> Result<(), CmdError> {
    page.goto(&format!("http://{}/#{}", gateway.control, gateway.token))
        .await?;
    // It shows the figures.
    until(page, "max", |max| max == "8").await?;
    until(page, "active", |active| active == "8").await?;
    until(page, "waiting", |waiting| {
        waiting.parse::<u32>().is_ok_and(|n| n > 0)
    })
    .await?;
    until(page, "p99", |p99| {
        p99.parse::<f64>().is_ok_and(|p99| p99 > 0.0)
    })
    .await?;
    // The slider changes max.
    slide(page, 3).await?;
    until(page, "status", |status| status == "max was 8 and is 3").await?;
    assert_eq!(gateway.semaphore.max(), 3);
    until(page, "max", |max| max == "3").await?;
    // The picture of the README.
    if let Ok(file) = std::env::var("SCREENSHOT") {
        for max in [12, 24, 6, 16] {
            slide(page, max).await?;
            sleep(Duration::from_secs(6)).await;
        }
        std::fs::write(file, page.screenshot().await?).unwrap();
        gateway.semaphore.set_max(3);
    }
    // The page of a gateway that was started again has another token.
    let token = page.find(Locator::Id("token")).await?;
    page.execute("location.hash = 'another'", vec![]).await?;
    while token.prop("value").await?.as_deref() != Some("another") {
        sleep(Duration::from_millis(20)).await;
    }
    // A wrong token changes nothing.
    token.clear().await?;
    token.send_keys("wrong").await?;
    slide(page, 5).await?;
    until(page, "status", |status| status.starts_with("401: ")).await?;
    assert_eq!(gateway.semaphore.max(), 3);
    until(page, "wanted", |wanted| wanted == "3").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_shows_the_figures_and_moves_max() {
    let upstream = Upstream::start().await.unwrap();
    let options = Options::default();
    let gateway = Gateway::start(&options, upstream.address).await.unwrap();
    let load = Load::start(gateway.front, "/", 40, 5);
    let (_driver, port) = Driver::start();
    let profile = std::env::temp_dir().join(format!("gateway-page-{}", std::process::id()));
    let capabilities = serde_json::json!({ "goog:chromeOptions": { "args": [
        "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
        "--disable-background-networking", "--disable-component-update", "--disable-sync",
        "--window-size=900,900", format!("--user-data-dir={}", profile.display()),
    ] } });
    let serde_json::Value::Object(capabilities) = capabilities else {
        unreachable!("it is an object")
    };
    let page = ClientBuilder::new(hyper_util::client::legacy::connect::HttpConnector::new())
        .capabilities(capabilities)
        .connect(&format!("http://127.0.0.1:{port}"))
        .await
        .expect("Chromium starts");
    let looked = timeout(Duration::from_secs(100), look(&page, &gateway)).await;
    page.close().await.unwrap();
    let _ = std::fs::remove_dir_all(profile);
    looked.expect("it does not hang").unwrap();
    assert_eq!(load.stop().await.strange, [""; 0]);
}
