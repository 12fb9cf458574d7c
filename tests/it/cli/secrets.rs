//! Secrets stay secret, whatever is logged.

use sqlx::{AnyConnection, AssertSqlSafe, Connection as _, Executor as _};

use super::program::{APP_SECRET, Place, ROOMS, STORE_SECRET, TOKEN, ended};
use crate::bucket::holds;
use crate::canaries::{self, API_KEY, LEDGER_PASSWORD, PROXY_PASSWORD, SESSION_TOKEN};
use crate::ledger::postgres_server;

/// What a signed URL and a call with a token have in them.
const TRACES: [&str; 7] =
    [APP_SECRET, STORE_SECRET, TOKEN, "sign=", "access_token=", "X-Amz-Signature=", "&us="];

#[tokio::test]
async fn no_secret_is_logged_printed_or_kept_even_where_things_fail() {
    let place = Place::start(&format!(
        "{ROOMS}[[fault]]\non = \"vod\"\npath = \"*f0.mp4\"\ntimes = 3\nthen = {{ status = {{ code = 503 }} }}\n\
         [[fault]]\non = \"vod\"\npath = \"*.m3u8\"\ntimes = 9\nthen = {{ reset = {{ at = 5 }} }}\n\
         [[fault]]\non = \"api\"\ncall = \"replays\"\nthen = {{ errcode = {{ code = 40001, message = \"access_token {TOKEN}\" }} }}\n\
         [[fault]]\non = \"api\"\ncall = \"rooms\"\nthen = \"html\"\n"
    ))
    .await;
    // stable_token gives the account's own token, which is the canary.
    let commands: [&[&str]; 7] = [
        &["run", "--json"],
        &["run"],
        &["backfill", "--all", "--force"],
        &["status", "--room", "1"],
        &["doctor"],
        &["plan"],
        &["verify", "--deep"],
    ];
    let mut logged = String::new();
    for format in ["text", "json"] {
        for command in commands {
            let arguments = [command, &["--log", "trace", "--log-format", format]].concat();
            let ran = place.run(&arguments).await;
            logged.push_str(&ran.err);
            for trace in TRACES {
                assert!(!ran.err.contains(trace), "{command:?}: {trace} in {}", ran.err);
                assert!(!ran.out.contains(trace), "{command:?}: {trace} in {}", ran.out);
            }
        }
    }
    assert!(logged.contains("; retrying"), "it logs what failed: {logged}");
    assert!(place.bucket().has_manifest(1), "the runs did their work");
    let tokens = place.sandbox.calls().iter().filter(|c| c.path.contains("stable_token")).count();
    assert!(tokens > 0, "the secret was used");
    for entry in std::fs::read_dir(place.folder.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().unwrap().to_str().unwrap().starts_with("ledger.sqlite") {
            let bytes = std::fs::read(&path).unwrap();
            for trace in TRACES {
                assert!(!holds(&bytes, trace), "{trace} in {}", path.display());
            }
        }
    }
}

#[tokio::test]
async fn a_token_command_inherits_no_secret_of_this_program() {
    let place = Place::start(ROOMS).await;
    let seen = place.folder.path().join("seen");
    let command = format!("env > {}; printf {TOKEN}", seen.display());
    let with = |more: &str| {
        let source =
            format!("{{ source = \"command\", command = [\"sh\", \"-c\", '{command}']{more} }}");
        place.configuration().replace("{ secret_env = \"APP_SECRET\" }", &source)
    };
    let run = async |configuration: String| {
        place.configure(&configuration);
        let mut program = place.command(&["run"]);
        program.envs([
            ("PATH", "/usr/local/bin:/usr/bin:/bin"),
            ("HTTPS_PROXY", ""),
            ("REDIS_URL", "redis://cache/0"),
            ("AWS_SECRET_ACCESS_KEY", API_KEY),
            ("REPLAY_ARCHIVER_SESSION_TOKEN", SESSION_TOKEN),
        ]);
        let ran = ended(program.spawn().unwrap()).await;
        let seen = std::fs::read_to_string(&seen).unwrap();
        std::fs::remove_file(place.folder.path().join("seen")).unwrap();
        (ran, seen)
    };
    let names = |seen: &str| {
        let names = seen.lines().filter_map(|line| Some(line.split_once('=')?.0.to_owned()));
        // What a shell sets by itself.
        let names = names.filter(|name| !["PWD", "SHLVL", "_", "OLDPWD"].contains(&name.as_str()));
        names.collect::<std::collections::BTreeSet<_>>()
    };
    let (ran, seen) = run(with("")).await;
    assert!(names(&seen).into_iter().eq(["HTTPS_PROXY", "PATH"]), "{seen}");
    assert!(ran.code == 0 && place.bucket().has_manifest(1), "{ran:?}");
    let (_, seen) = run(with(", command_env = [\"REDIS_URL\"]")).await;
    assert!(names(&seen).into_iter().eq(["HTTPS_PROXY", "PATH", "REDIS_URL"]), "{seen}");
}

/// Every filter that somebody could ask for all there is with.
const FILTERS: [&str; 4] = [
    "trace",
    "trace,x=off",
    "trace,hyper=trace,hyper_util=trace,h2=trace,reqwest=trace,rustls=trace,sqlx=trace,log=trace",
    "aws_config=trace,aws_runtime=trace,aws_sdk_s3=trace,aws_sigv4=trace,aws_smithy_runtime=trace,\
     aws_smithy_runtime_api=trace,aws_smithy_http_client=trace,aws_smithy_types=trace",
];

#[tokio::test]
async fn no_library_logs_a_secret_however_it_is_asked_to() {
    let place = Place::start(ROOMS).await;
    let commands: [&[&str]; 9] = [
        &["run"],
        &["backfill", "--all", "--force"],
        &["status"],
        &["doctor"],
        &["plan"],
        &["verify", "--deep"],
        &["playlist", "--room", "1"],
        &["rooms"],
        &["config", "show"],
    ];
    for (filter, format) in FILTERS.into_iter().zip(["text", "json", "text", "json"]) {
        for command in commands {
            let mut child = place.command(&[command, &["--log-format", format]].concat());
            child.envs([("REPLAY_ARCHIVER_LOG", filter), ("RUST_LOG", "trace")]);
            // What `playlist` prints is signed with it, and has to be.
            if command != ["playlist", "--room", "1"] {
                child.env("REPLAY_ARCHIVER_SESSION_TOKEN", SESSION_TOKEN);
            }
            let ran = ended(child.spawn().unwrap()).await;
            for trace in canaries::TRACES {
                assert!(!ran.err.contains(trace), "{filter} {command:?}: {trace} in {}", ran.err);
            }
        }
    }
    canaries::check_folder(place.folder.path(), &["pipeline.toml"]);
}

#[tokio::test]
async fn a_password_in_an_address_is_shown_nowhere_though_nothing_answers_there() {
    let place = Place::start(ROOMS).await;
    let good = place.configuration();
    let proxy = format!("http://user:{PROXY_PASSWORD}@127.0.0.1:1");
    let ledger = place.folder.path().join("ledger.sqlite");
    let table = [
        ("[media]".to_owned(), format!("[media]\nproxy = \"{proxy}\"")),
        ("[wechat]".to_owned(), format!("[wechat]\nproxy = \"{proxy}\"")),
        (
            format!("{}\"\n\n[media]", place.sandbox.api_addr()),
            format!("127.0.0.1:1/?k={API_KEY}\"\n\n[media]"),
        ),
        (
            format!("sqlite:{}", ledger.display()),
            format!("postgres://u:{LEDGER_PASSWORD}@127.0.0.1:1/db"),
        ),
        (
            format!("sqlite:{}", ledger.display()),
            format!("postgres://u:x/{LEDGER_PASSWORD}@127.0.0.1:1/db"),
        ),
        (
            "{ secret_env = \"APP_SECRET\" }".to_owned(),
            format!("{{ source = \"command\", command = [\"false\", \"{API_KEY}\"] }}"),
        ),
        (
            "{ secret_env = \"APP_SECRET\" }".to_owned(),
            format!("{{ source = \"url\", url = \"http://127.0.0.1:1/{TOKEN}?k={API_KEY}\" }}"),
        ),
        ("{ secret_env = \"APP_SECRET\" }".to_owned(), format!("\"{APP_SECRET}\"")),
    ];
    for (old, new) in table {
        assert!(good.contains(&old), "{old}");
        place.configure(&good.replacen(&old, &new, 1));
        let commands: [&[&str]; 4] =
            [&["config", "show"], &["config", "show", "--json"], &["doctor"], &["run"]];
        for command in commands {
            // Whatever is printed is looked through as it ends.
            place.run(&[command, &["--log", "trace,x=off"]].concat()).await;
        }
    }
    canaries::check_folder(place.folder.path(), &["pipeline.toml"]);
}

/// A secret in the shape that those of WeChat have.
const PASTED: &str = "8d3f0a6b1c9e47725ab0c4d1e6f29b38";

#[tokio::test]
async fn a_secret_pasted_where_none_belongs_is_repeated_nowhere() {
    let place = Place::start("").await;
    let good = place.configuration();
    let table = [
        ("secret_env = \"APP_SECRET\"", "secret_env = \"PASTED\""),
        ("secret_env = \"APP_SECRET\"", "secret_file = \"PASTED\""),
        ("{ secret_env = \"APP_SECRET\" }", "{ source = \"command\", command = [\"PASTED\"] }"),
        ("{ secret_env = \"APP_SECRET\" }", "{ source = \"file\", file = \"PASTED\" }"),
        ("secret_key_env = \"STORE_SECRET\"", "secret_key = \"PASTED\""),
        ("secret_key_env = \"STORE_SECRET\"", "secret_key_env = PASTED"),
        ("access_key = \"access\"", "access_key = \"PASTED\""),
        ("appid = \"wx1\"", "appid = \"PASTED\""),
        ("[images]", "[PASTED]"),
    ];
    for (old, new) in table {
        assert!(good.contains(old), "{old}");
        place.configure(&good.replacen(old, &new.replace("PASTED", PASTED), 1));
        for command in [&["config", "show"][..], &["run", "--json"], &["doctor"]] {
            let ran = place.run(&[command, &["--log", "trace,x=off"]].concat()).await;
            assert!(!ran.out.contains(PASTED) && !ran.err.contains(PASTED), "{new}: {ran:?}");
        }
    }
    place.configure(&good);
    for flags in
        [&["run", PASTED][..], &["run", "--account", PASTED], &["status", "--room", PASTED]]
    {
        let ran = place.run(&[flags, &["--json"]].concat()).await;
        assert_eq!(ran.code, 2, "{ran:?}");
        assert!(!ran.out.contains(PASTED) && !ran.err.contains(PASTED), "{ran:?}");
    }
    canaries::check_folder(place.folder.path(), &["pipeline.toml"]);
}

#[tokio::test]
async fn no_table_of_a_database_server_holds_a_secret() {
    sqlx::any::install_default_drivers();
    let server = postgres_server();
    let schema = format!("secrets_{:016x}", rand::random::<u64>());
    let mut connection = AnyConnection::connect(&server).await.unwrap();
    connection.execute(AssertSqlSafe(format!("create schema {schema}"))).await.unwrap();
    let place = Place::start(ROOMS).await;
    // The server under test lets everybody in, whatever the password.
    let sign = if server.contains('?') { '&' } else { '?' };
    let url = server.replacen('@', &format!(":{LEDGER_PASSWORD}@"), 1);
    let sqlite = format!("sqlite:{}", place.folder.path().join("ledger.sqlite").display());
    let url = format!("{url}{sign}options[search_path]={schema}");
    place.configure(&place.configuration().replace(&sqlite, &url));
    for command in [&["run", "--log", "trace"][..], &["status"], &["config", "show"]] {
        place.good(command).await;
    }
    let tables = format!(
        "select cast(table_name as text) from information_schema.tables where table_schema = '{schema}'"
    );
    let tables: Vec<String> =
        sqlx::query_scalar(AssertSqlSafe(tables)).fetch_all(&mut connection).await.unwrap();
    assert!(tables.len() > 3, "{tables:?}");
    let mut rows = 0;
    for table in tables {
        let dump = format!("select cast(row_to_json(t) as text) from {schema}.{table} t");
        let dump: Vec<String> =
            sqlx::query_scalar(AssertSqlSafe(dump)).fetch_all(&mut connection).await.unwrap();
        rows += dump.len();
        let dump = dump.concat();
        canaries::check(&table, dump.as_bytes());
        for trace in canaries::TRACES {
            assert!(!dump.contains(trace), "{trace} in {table}: {dump}");
        }
    }
    assert!(rows > 5, "the run left its memory there");
}
