//! Child processes that are started, killed as by `kill -9`, and restarted.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// Process that is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Web,
    Worker,
    Redis,
}

impl FromStr for Target {
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

/// Lines in which child processes report undelivered calls.
pub(crate) type Undelivered = Arc<Mutex<Vec<String>>>;

/// All child processes.
pub(crate) struct Processes {
    target: Target,
    folder: PathBuf,
    outbox: String,
    api_host: String,
    redis: Option<(u16, Process)>,
    web: Process,
    worker: Option<Process>,
    pub(crate) url: String,
    pub(crate) undelivered: Undelivered,
}

impl Processes {
    pub(crate) fn start(outbox: &str, target: Target, api_host: &str) -> Result<Self, String> {
        let folder = std::env::temp_dir().join(format!("crash-test-{}", std::process::id()));
        fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
        let redis = match outbox {
            "file" if target == Target::Web => None,
            "redis" => {
                let port = free_port()?;
                Some((port, start_redis(port, &folder)?))
            }
            other => {
                return Err(format!(
                    "--outbox {other} with --kill {target:?}: use file with web, or redis"
                ));
            }
        };
        let outbox = match &redis {
            Some((port, _)) => format!("redis://127.0.0.1:{port}/"),
            None => format!("file:{}", folder.join("outbox").display()),
        };
        let undelivered = Undelivered::default();
        let (web, url) = start_web(&outbox, api_host, target, &undelivered)?;
        let worker = match target {
            Target::Worker => Some(start_worker(&outbox, api_host, &undelivered)?),
            Target::Web | Target::Redis => None,
        };
        Ok(Self {
            target,
            folder,
            outbox,
            api_host: api_host.to_owned(),
            redis,
            web,
            worker,
            url,
            undelivered,
        })
    }

    pub(crate) fn kill(&mut self) -> Result<(), String> {
        match self.target {
            Target::Web => self.web.kill(),
            Target::Worker => self.worker.as_mut().map_or(Ok(()), Process::kill),
            Target::Redis => self
                .redis
                .as_mut()
                .map_or(Ok(()), |(_, redis)| redis.kill()),
        }
    }

    pub(crate) fn restart(&mut self) -> Result<(), String> {
        match self.target {
            Target::Web => {
                (self.web, self.url) =
                    start_web(&self.outbox, &self.api_host, self.target, &self.undelivered)?;
            }
            Target::Worker => {
                self.worker = Some(start_worker(
                    &self.outbox,
                    &self.api_host,
                    &self.undelivered,
                )?);
            }
            Target::Redis => {
                if let Some((port, redis)) = &mut self.redis {
                    *redis = start_redis(*port, &self.folder)?;
                }
            }
        }
        Ok(())
    }
}

impl Drop for Processes {
    fn drop(&mut self) {
        drop(self.web.kill());
        drop(self.worker.as_mut().map(Process::kill));
        drop(self.redis.as_mut().map(|(_, redis)| redis.kill()));
        drop(fs::remove_dir_all(&self.folder));
    }
}

/// One child process.
pub(crate) struct Process(Child);

impl Process {
    /// Starts a process, and returns its first output line that contains `ready`.
    ///
    /// Later lines about undelivered calls are collected.
    fn start(
        command: &mut Command,
        ready: &str,
        undelivered: Option<&Undelivered>,
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
        let undelivered = undelivered.map(Arc::clone);
        thread::spawn(move || {
            for line in lines {
                if let (Some(undelivered), Some(line)) =
                    (&undelivered, line.strip_prefix("undelivered: "))
                {
                    undelivered
                        .lock()
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
    target: Target,
    undelivered: &Undelivered,
) -> Result<(Process, String), String> {
    let concurrency = if target == Target::Worker { "0" } else { "1" };
    let mut command = this_program()?;
    command.args([
        "serve",
        "--outbox",
        outbox,
        "--api-host",
        api_host,
        "--concurrency",
        concurrency,
    ]);
    let (process, line) = Process::start(&mut command, "listening on ", Some(undelivered))?;
    let url = line.rsplit(' ').next().unwrap_or_default().to_owned();
    Ok((process, url))
}

fn start_worker(
    outbox: &str,
    api_host: &str,
    undelivered: &Undelivered,
) -> Result<Process, String> {
    let mut command = this_program()?;
    command.args(["work", "--outbox", outbox, "--api-host", api_host]);
    Process::start(&mut command, "working", Some(undelivered)).map(|(process, _)| process)
}

fn this_program() -> Result<Command, String> {
    std::env::current_exe()
        .map(Command::new)
        .map_err(|error| error.to_string())
}

fn start_redis(port: u16, folder: &Path) -> Result<Process, String> {
    let mut command = Command::new("redis-server");
    // With `everysec`, Redis acknowledges a write before it is on a busy disk.
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
