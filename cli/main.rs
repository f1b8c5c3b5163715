//! `hellosales`: the one binary that people start.

mod bench;
mod bulk;
mod caller;
mod client;
mod commands;
mod config;
mod data_dir;
mod database;
mod duration;
mod filter;
mod list;
mod operator;
mod output;
mod paging;
mod port;
mod private_postgres;
mod problem;
mod seed;
mod shutdown;
mod stack;
mod supervisor;
mod table;
mod telemetry;
mod timeline;
mod times;
mod upload;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::output::{Format, Output};

/// A worker makes and drops many small things in many threads; with the system's allocator a third of its time went there.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A durable job-queue worker system on PostgreSQL for AI sales text.
#[derive(Debug, Parser)]
#[command(name = "hellosales", version, propagate_version = true, disable_help_subcommand = true)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// What every command takes.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Every command")]
pub(crate) struct Global {
    /// How data is shown: table, wide, json, jsonl or csv
    #[arg(
        short = 'o',
        long = "output",
        global = true,
        value_enum,
        default_value = "table",
        hide_possible_values = true
    )]
    format: Format,
    /// Only these columns of a list; a wrong name is answered with all of them
    #[arg(long, global = true, value_name = "A,B", value_delimiter = ',')]
    columns: Vec<String>,
    /// No colours [env: NO_COLOR]
    #[arg(long, global = true)]
    no_color: bool,
    /// Say nothing but errors
    #[arg(short, long, global = true)]
    quiet: bool,
    /// PostgreSQL to use [env: DATABASE_URL; else the one that `hellosales dev` holds here]
    #[arg(long, global = true, value_name = "URL")]
    database_url: Option<String>,
    /// The api to talk to [env: API_URL; else the one that `hellosales dev` holds here]
    #[arg(long, global = true, value_name = "URL")]
    api_url: Option<String>,
    /// One organisation: its slug, name or id
    #[arg(long, global = true, value_name = "SLUG|ID", conflicts_with = "all_orgs")]
    org: Option<String>,
    /// All organisations, as when none is named
    #[arg(long, global = true)]
    all_orgs: bool,
    /// Who does it, for the audit log [env: HELLOSALES_ACTOR; else who is logged in]
    #[arg(long, global = true, value_name = "NAME")]
    actor: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// See it work in a minute: a conversation, emails for 25 clients, killed workers, the checker
    Demo(commands::demo::Args),
    /// Start everything here and keep it running: PostgreSQL, simulator, api, workers
    Dev(commands::dev::Args),
    /// Make a token of the local issuer
    Token(commands::token::Args),
    /// Hold a conversation in the terminal
    Chat(commands::chat::Args),
    /// Write one email for each client of a list
    Batch(Box<commands::batch::Args>),
    /// Take clients from a file
    Clients(commands::clients::Args),
    /// Serve HTTP
    Api(commands::api::Args),
    /// Execute steps
    Worker(commands::worker::Args),
    /// Play the provider, as OpenAI, Groq and Gemini, and issue development tokens
    Simulator(commands::simulator::Args),
    /// What is wrong now, and the next command to type; exit 1 if anything is
    Status(commands::status::Args),
    /// Runs: list them, look into one, follow it, stop it
    Runs(commands::runs::Args),
    /// The queue's rows: one stage of one run each
    Steps(commands::steps::Args),
    /// How full the queue is, and how fast it moves
    Queue(commands::queue::Args),
    /// Dead letters: what failed, and what is done about it
    Dlq(Box<commands::dlq::Args>),
    /// What is done to many at once
    Ops(commands::ops::Args),
    /// Who executes steps
    Workers(commands::workers::Args),
    /// What organisations may use, a minute and a day, and have used
    Budgets(commands::budgets::Args),
    /// Bring the schema up to date
    Migrate(commands::migrate::Args),
    /// Take away what is older than it is to be kept
    Prune(commands::prune::Args),
    /// Look whether everything is as it must be
    Doctor(commands::doctor::Args),
    /// Every setting, and where its value comes from
    Config(commands::config::Args),
    /// Who did what to what, and why
    Audit(commands::audit::Args),
    /// Measure this build on this machine
    Bench(commands::bench::Args),
    /// Print a script that completes commands in a shell
    Completions(commands::completions::Args),
    /// Print the version
    Version,
    #[command(hide = true)]
    KeepPostgres(commands::keep_postgres::Args),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let output = Output::new(cli.global.format, cli.global.quiet, cli.global.no_color);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            output.error(&format!("error: no threads can be started: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let ended = runtime.block_on(run(cli, output));
    runtime.shutdown_background();
    match ended {
        Ok(code) => code,
        // Whoever read has read enough, as `head` does.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            let (text, exit) = problem::explain(&error);
            output.error(&text);
            exit.into()
        }
    }
}

/// Whether it ended because nobody reads what it writes. A connection that breaks is told by its own errors.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}

async fn run(cli: Cli, output: Output) -> anyhow::Result<ExitCode> {
    let global = &cli.global;
    match cli.command {
        Command::Dev(args) => commands::dev::run(args, global, output).await,
        Command::Demo(args) => commands::demo::run(args, global, output).await,
        Command::Chat(args) => commands::chat::run(args, global, output).await,
        Command::Batch(args) => commands::batch::run(*args, global, output).await,
        Command::Clients(args) => commands::clients::run(args, global, output).await,
        Command::Api(args) => commands::api::run(args, global).await,
        Command::Worker(args) => commands::worker::run(args, global).await,
        Command::Token(args) => commands::token::run(&args, global, output),
        Command::Simulator(args) => commands::simulator::run(args, output).await,
        Command::Runs(args) => commands::runs::run(args, global, output).await,
        Command::Status(args) => commands::status::run(args, global, output).await,
        Command::Config(args) => commands::config::run(&args, global, output),
        Command::Steps(args) => commands::steps::run(args, global, output).await,
        Command::Queue(args) => commands::queue::run(args, global, output).await,
        Command::Audit(args) => commands::audit::run(args, global, output).await,
        Command::Dlq(args) => commands::dlq::run(*args, global, output).await,
        Command::Ops(args) => commands::ops::run(args, global, output).await,
        Command::Workers(args) => commands::workers::run(args, global, output).await,
        Command::Prune(args) => commands::prune::run(args, global, output).await,
        Command::Budgets(args) => commands::budgets::run(args, global, output).await,
        Command::Migrate(args) => commands::migrate::run(args, global, output).await,
        Command::Doctor(args) => commands::doctor::run(args, global, output).await,
        Command::Bench(args) => commands::bench::run(args, output).await,
        Command::Completions(args) => commands::completions::run(&args),
        Command::Version => commands::version::run(output),
        Command::KeepPostgres(args) => commands::keep_postgres::run(args).await,
    }
}
