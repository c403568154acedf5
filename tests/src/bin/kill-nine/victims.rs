//! The processes: started, killed as by `kill -9`, started again.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// Who is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Victim {
    Web,
    Worker,
    Redis,
}

impl FromStr for Victim {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "web" => Ok(Self::Web),
            "worker" => Ok(Self::Worker),
            "redis" => Ok(Self::Redis),
            other => Err(format!("--kill {other}: web, worker or redis")),
        }
    }
}

/// What processes said of what they could not deliver.
pub(crate) type Told = Arc<Mutex<Vec<String>>>;

/// All that runs.
pub(crate) struct Scene {
    victim: Victim,
    folder: PathBuf,
    outbox: String,
    api_host: String,
    redis: Option<(u16, Process)>,
    web: Process,
    worker: Option<Process>,
    pub(crate) url: String,
    pub(crate) told: Told,
}

impl Scene {
    pub(crate) fn set(outbox: &str, victim: Victim, api_host: &str) -> Result<Self, String> {
        let folder = std::env::temp_dir().join(format!("kill-nine-{}", std::process::id()));
        fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
        let redis = match outbox {
            "file" if victim == Victim::Web => None,
            "redis" => {
                let port = free_port()?;
                Some((port, start_redis(port, &folder)?))
            }
            other => {
                return Err(format!(
                    "--outbox {other} with {victim:?} killed: file with web, or redis"
                ));
            }
        };
        let outbox = match &redis {
            Some((port, _)) => format!("redis://127.0.0.1:{port}/"),
            None => format!("file:{}", folder.join("outbox").display()),
        };
        let told = Told::default();
        let (web, url) = start_web(&outbox, api_host, victim, &told)?;
        let worker = match victim {
            Victim::Worker => Some(start_worker(&outbox, api_host, &told)?),
            Victim::Web | Victim::Redis => None,
        };
        Ok(Self {
            victim,
            folder,
            outbox,
            api_host: api_host.to_owned(),
            redis,
            web,
            worker,
            url,
            told,
        })
    }

    pub(crate) fn kill(&mut self) -> Result<(), String> {
        match self.victim {
            Victim::Web => self.web.kill(),
            Victim::Worker => self.worker.as_mut().map_or(Ok(()), Process::kill),
            Victim::Redis => self
                .redis
                .as_mut()
                .map_or(Ok(()), |(_, redis)| redis.kill()),
        }
    }

    pub(crate) fn start_again(&mut self) -> Result<(), String> {
        match self.victim {
            Victim::Web => {
                (self.web, self.url) =
                    start_web(&self.outbox, &self.api_host, self.victim, &self.told)?
            }
            Victim::Worker => {
                self.worker = Some(start_worker(&self.outbox, &self.api_host, &self.told)?)
            }
            Victim::Redis => {
                if let Some((port, redis)) = &mut self.redis {
                    *redis = start_redis(*port, &self.folder)?;
                }
            }
        }
        Ok(())
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        drop(self.web.kill());
        drop(self.worker.as_mut().map(Process::kill));
        drop(self.redis.as_mut().map(|(_, redis)| redis.kill()));
        drop(fs::remove_dir_all(&self.folder));
    }
}

/// A process that does not outlive this one's interest in it.
pub(crate) struct Process(Child);

impl Process {
    /// Starts it, and waits until it says `ready`; gives that line. Its later lines are kept where
    /// they tell of what was not delivered.
    fn start(
        command: &mut Command,
        ready: &str,
        told: Option<&Told>,
    ) -> Result<(Self, String), String> {
        let mut child = command
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("{command:?}: {error}"))?;
        let stdout = child.stdout.take().ok_or("no standard output")?;
        let mut lines = BufReader::new(stdout).lines().map_while(Result::ok);
        let first = lines
            .find(|line| line.contains(ready))
            .ok_or_else(|| format!("{command:?} did not start"))?;
        let told = told.map(Arc::clone);
        thread::spawn(move || {
            for line in lines {
                if let (Some(told), Some(line)) = (&told, line.strip_prefix("told: ")) {
                    told.lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .push(line.to_owned());
                }
            }
        });
        Ok((Self(child), first))
    }

    fn kill(&mut self) -> Result<(), String> {
        self.0
            .kill()
            .and_then(|()| self.0.wait())
            .map(drop)
            .map_err(|error| error.to_string())
    }
}

fn start_web(
    outbox: &str,
    api_host: &str,
    victim: Victim,
    told: &Told,
) -> Result<(Process, String), String> {
    let concurrency = if victim == Victim::Worker { "0" } else { "1" };
    let mut command = own()?;
    command.args([
        "serve",
        "--outbox",
        outbox,
        "--api-host",
        api_host,
        "--concurrency",
        concurrency,
    ]);
    let (process, line) = Process::start(&mut command, "listening on ", Some(told))?;
    let url = line.rsplit(' ').next().unwrap_or_default().to_owned();
    Ok((process, url))
}

fn start_worker(outbox: &str, api_host: &str, told: &Told) -> Result<Process, String> {
    let mut command = own()?;
    command.args(["work", "--outbox", outbox, "--api-host", api_host]);
    Process::start(&mut command, "working", Some(told)).map(|(process, _)| process)
}

fn own() -> Result<Command, String> {
    std::env::current_exe()
        .map(Command::new)
        .map_err(|error| error.to_string())
}

fn start_redis(port: u16, folder: &Path) -> Result<Process, String> {
    let mut command = Command::new("redis-server");
    // With `everysec`, Redis answers before it has written while the disk is busy.
    command.args([
        "--port",
        &port.to_string(),
        "--save",
        "",
        "--appendonly",
        "yes",
        "--appendfsync",
        "always",
    ]);
    command.arg("--dir").arg(folder);
    Process::start(&mut command, "Ready to accept connections", None).map(|(process, _)| process)
}

fn free_port() -> Result<u16, String> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).map_err(|error| error.to_string())?;
    listener
        .local_addr()
        .map(|address| address.port())
        .map_err(|error| error.to_string())
}
