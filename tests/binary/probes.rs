//! Probes and metrics of operator and gateway, and what they say of a process that cannot do its work.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use meta_channel_operator::build_info;
use testkit::{Process, Proxy, free_port, wait_for};

use crate::support::env::*;
use crate::support::metric_families::{FAMILIES, OF_OBJECTS, OF_PASSES, OF_ROUNDS, OF_WEBHOOKS};
use crate::support::openmetrics::families;
use crate::support::server::{PATIENCE, Server, loopback, program};

async fn probes_answer(server: &Server, expected: &[(&str, &str)]) -> Result<()> {
    for probe in ["/healthz", "/readyz"] {
        ensure!(server.get(probe).await? == (200, "ok".to_owned()), "{probe}");
    }
    ensure!(server.get("/elsewhere").await?.0 == 404);
    let (status, text) = server.get("/metrics").await?;
    ensure!(status == 200);
    let mut families = families(&text)?;
    families.retain(|name, _| !OF_ROUNDS.iter().any(|of_rounds| name.ends_with(of_rounds)));
    for (name, kind) in expected {
        let found = families.get(&format!("meta_channel_operator_{name}")).map(String::as_str);
        ensure!(found == Some(*kind), "{name} is {found:?}, not a {kind}");
    }
    ensure!(families.len() == expected.len(), "a family is not expected: {families:?}");
    Ok(())
}

/// Whether the kernel writes an image of the memory when the process crashes.
fn dumps_no_core(server: &Server) -> Result<()> {
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", server.process.pid()))?;
    let core: Vec<_> = limits.lines().filter_map(|line| line.strip_prefix("Max core file size")).collect();
    ensure!(core.len() == 1 && core[0].split_whitespace().eq(["0", "0", "bytes"]), "{limits}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_of_operator_or_gateway_leaves_no_image_of_their_memory() -> Result<()> {
    let env = Env::new().await?;
    dumps_no_core(&env.gateway(&[]).await?.0)?;
    dumps_no_core(&env.operator("first", &[]).await?)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_in_the_environment_is_asked_for_nothing() -> Result<()> {
    let env = Env::new().await?;
    let behind_a_proxy = |mut command: Command| {
        // Nobody listens there.
        for variable in ["HTTPS_PROXY", "HTTP_PROXY", "https_proxy", "http_proxy"] {
            command.env(variable, "http://127.0.0.1:1");
        }
        command
    };
    let kubeconfig = env.plane.kubeconfig();
    let operator = Server::start(|| behind_a_proxy(env.operator_command(kubeconfig, "first", &[]))).await?;
    operator.leads().await?;
    let gateway = || {
        let mut command = program("gateway", kubeconfig);
        command.args(["--listen-addr=127.0.0.1:0", &format!("--watch-namespaces={}", env.platform)]);
        behind_a_proxy(command)
    };
    Server::start(gateway).await?.ready().await?;
    env.apply(&(env.app("") + &env.channel("shop", PAGE_A, TOKEN_A))).await?;
    env.channel_is("shop", "Ready=True/ReconcileSucceeded").await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn operator_and_gateway_answer_probes_and_show_metrics_without_ids_and_names_only_of_objects() -> Result<()> {
    let env = Env::new().await?;
    let (gateway, url) = env.gateway(&[]).await?;
    let operator = env.operator("first", &[]).await?;
    operator.leads().await?;
    env.apply(&(env.app("webhook: {}") + &env.channel("shop", PAGE_A, TOKEN_A))).await?;
    env.channel_is("shop", "Ready=True/ReconcileSucceeded").await?;
    env.app_is("Ready=True/ReconcileSucceeded").await?;
    let forged = reqwest::Client::builder().no_proxy().build()?;
    let forged = forged.post(format!("{url}/webhooks/{}/acme", env.platform)).body("{}").send().await?;
    ensure!(forged.status() == 403);

    let of_operator = [&OF_PASSES[..], &OF_OBJECTS[..], &FAMILIES[..]].concat();
    wait_for("every family", PATIENCE, async || probes_answer(&operator, &of_operator).await).await?;
    probes_answer(&gateway, &[&OF_WEBHOOKS[..], &FAMILIES[..]].concat()).await?;
    for metric in [
        "build_info",
        "leader",
        "test_graph",
        "status_writes_total",
        "secret_reads_total",
        "graph_request_duration_seconds_count",
    ] {
        ensure!(operator.metric(metric).await? > 0.0, "{metric}");
    }
    ensure!(gateway.metric("webhook_challenges_total").await? == 1.0);
    let (version, commit) = (build_info::VERSION, build_info::COMMIT);
    let built = format!("_build_info{{version=\"{version}\",commit=\"{commit}\",graph_version=\"v25.0\"}} 1\n");
    for server in [&operator, &gateway] {
        let text = server.get("/metrics").await?.1;
        ensure!(text.contains(&built), "no {built} in\n{text}");
    }
    ensure!(gateway.metric("webhook_signatures_total").await? == 1.0);
    let named = |line: &str, name: &str| {
        line.contains(&format!("_operator_{name}{{")) || line.contains(&format!("_operator_{name}_total{{"))
    };
    let of_objects = |line: &str| OF_OBJECTS.iter().chain(&OF_WEBHOOKS).any(|(name, _)| named(line, name));
    for text in [operator.get("/metrics").await?.1, gateway.get("/metrics").await?.1] {
        let others: String = text.lines().filter(|line| !of_objects(line)).collect();
        for name in ["shop", "acme", env.tenant.as_str()] {
            ensure!(!others.contains(name), "{name} is in\n{text}");
        }
        for id in [PAGE_A, APP_ID] {
            ensure!(!text.contains(id), "{id} is in\n{text}");
        }
    }
    // Nothing of the kind is said by the public listener.
    for path in ["/metrics", "/healthz", "/readyz", "/"] {
        let answer = reqwest::Client::builder().no_proxy().build()?.get(format!("{url}{path}")).send().await?;
        ensure!(answer.status() == 404, "{path}: {}", answer.status());
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_lives_but_is_not_ready_while_the_api_server_does_not_answer() -> Result<()> {
    let env = Env::new().await?;
    let proxy = Proxy::start(env.plane).await?;
    proxy.freeze();
    let operator = env.operator_by(&env.by(&proxy)?, "first", &[]).await?;
    ensure!(operator.get("/healthz").await?.0 == 200);
    ensure!(operator.get("/readyz").await? == (503, "not ready".to_owned()));
    let log = operator.fails().await?;
    ensure!(log.contains("no usable answer from the Kubernetes API server at https://127.0.0.1:"), "{log}");
    Ok(())
}

/// The best of several starts: other people's work on the machine can only make one slower.
#[tokio::test(flavor = "multi_thread")]
async fn a_started_operator_answers_within_a_second() -> Result<()> {
    let env = Env::new().await?;
    let mut best = Duration::MAX;
    for _ in 0..10 {
        let metrics = loopback(free_port());
        let mut command = env.operator_command(env.plane.kubeconfig(), "first", &["--leader-elect=false"]);
        command.arg(format!("--metrics-addr={metrics}"));
        let started = Instant::now();
        let process = Process::spawn(&command)?;
        process.wait_ready(&format!("http://{metrics}/healthz"), Duration::from_secs(60)).await?;
        best = best.min(started.elapsed());
        if best < Duration::from_secs(1) {
            break;
        }
    }
    println!("answers {best:?} after its start");
    ensure!(best < Duration::from_secs(1), "answers only {best:?} after its start");
    Ok(())
}
