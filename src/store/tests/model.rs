//! Random calls of clients, doings of workers and deaths of the process, against a model that fits on a page.
//!
//! The model knows nothing of the store's own table of arrows: it is the contract, written a second time.

use super::*;

/// What happens; numbers choose among the jobs there are.
#[derive(Debug, Clone)]
enum Step {
    Submit {
        priority: i32,
    },
    Cancel(usize),
    Pause(usize),
    Resume(usize),
    Delete(usize),
    Prioritise(usize, i32),
    /// A client deletes a job whatever its state: it is cancelled, its worker obeys, it goes.
    ForceDelete(usize),
    /// The disk is nearly full, or has room again.
    PauseForSpace,
    ResumeForSpace,
    /// The server shuts down in order: every worker lets go.
    Drain,
    Claim,
    /// The worker of a job writes points, and a checkpoint at their end if asked to.
    Record {
        job: usize,
        points: u64,
        checkpoint: bool,
    },
    /// As `Record`, by a worker that lost the job.
    RecordLate {
        job: usize,
    },
    Finish {
        job: usize,
        how: u8,
    },
    Crash,
    Restart,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let job = || 0..4_usize;
    let one = prop_oneof![
        3 => (0..3_i32).prop_map(|priority| Step::Submit { priority }),
        2 => job().prop_map(Step::Cancel),
        2 => job().prop_map(Step::Pause),
        3 => job().prop_map(Step::Resume),
        1 => job().prop_map(Step::Delete),
        1 => (job(), 0..3_i32).prop_map(|(job, priority)| Step::Prioritise(job, priority)),
        1 => job().prop_map(Step::ForceDelete),
        1 => Just(Step::PauseForSpace),
        1 => Just(Step::ResumeForSpace),
        1 => Just(Step::Drain),
        5 => Just(Step::Claim),
        4 => (job(), 1..400_u64, any::<bool>())
            .prop_map(|(job, points, checkpoint)| Step::Record { job, points, checkpoint }),
        1 => job().prop_map(|job| Step::RecordLate { job }),
        3 => (job(), 0..4_u8).prop_map(|(job, how)| Step::Finish { job, how }),
        2 => Just(Step::Crash),
        1 => Just(Step::Restart),
    ];
    prop::collection::vec(one, 1..60)
}

/// What is promised of a job.
#[derive(Debug, Clone)]
struct Model {
    id: JobId,
    priority: i32,
    status: Status,
    attempt: u32,
    resume_wanted: bool,
    /// The server paused it by itself.
    for_space: bool,
    points: u64,
    checkpoint: Option<u64>,
    crashes: u32,
    transitions: usize,
}

impl Model {
    fn to(&mut self, status: Status) {
        self.status = status;
        self.transitions += 1;
        self.resume_wanted = false;
        self.for_space &= matches!(status, Status::Pausing | Status::Paused);
    }

    /// Gives whether the client is told yes.
    fn asked(&mut self, action: Action) -> bool {
        use Status::*;
        match (action, self.status) {
            (Action::Cancel, Queued | Paused) => self.to(Cancelled),
            (Action::Cancel, Running | Pausing) => self.to(Cancelling),
            (Action::Cancel, Cancelling | Cancelled) => {}
            (Action::Pause, Queued) => self.to(Paused),
            (Action::Pause, Running) => self.to(Pausing),
            (Action::Pause, Pausing | Paused) => self.for_space = false, // now the client wants it, too
            (Action::Resume, Queued | Running) => {}
            (Action::Resume, Pausing) => self.resume_wanted = true,
            (Action::Resume, Paused) => self.to(Queued),
            _ => return false,
        }
        true
    }

    fn finished(&mut self, how: u8) -> bool {
        use Status::*;
        let paused = if self.resume_wanted { Queued } else { Paused };
        let to = match (how, self.status) {
            (0, Running | Pausing | Cancelling) => Succeeded,
            (1, Running | Pausing | Cancelling) => Failed,
            (2 | 3, Pausing) => paused,
            (2 | 3, Cancelling) => Cancelled,
            (3, Running) => Queued,
            _ => return false,
        };
        self.to(to);
        true
    }

    fn lost(&mut self) {
        use Status::*;
        if !self.status.is_held() {
            return;
        }
        self.crashes += 1;
        match self.status {
            Running if self.crashes >= 3 => self.to(Failed),
            Running => self.to(Queued),
            Pausing if self.resume_wanted => self.to(Queued),
            Pausing => self.to(Paused),
            _ => self.to(Cancelled),
        }
    }
}

/// The store under test beside the jobs as they must be.
struct World {
    directory: TempDir,
    /// `None` only while it is opened anew.
    open: Option<Store>,
    iris: Dataset,
    jobs: Vec<Model>,
}

impl World {
    fn store(&self) -> &Store {
        self.open.as_ref().unwrap()
    }

    fn lease(&self, job: &Model, attempt: u32) -> Lease {
        Lease { job: job.id, worker: "w".to_owned(), attempt }
    }

    async fn ask(&mut self, at: usize, action: Action) {
        let Some(id) = self.jobs.get(at).map(|job| job.id) else { return };
        let told = match action {
            Action::Cancel => self.store().job_cancel(id, "x").await,
            Action::Pause => self.store().job_pause(id, "x").await,
            _ => self.store().job_resume(id, "x").await,
        };
        let Some(job) = self.jobs.get_mut(at) else { return };
        assert_eq!(told.is_ok(), job.asked(action), "{action} {job:?}: {told:?}");
    }

    async fn record(&mut self, at: usize, points: u64, wants_checkpoint: bool) {
        let Some(job) = self.jobs.get(at).cloned() else { return };
        let lease = self.lease(&job, job.attempt);
        let end = job.points + points;
        let mut record = super::points(Axis::Step, job.points + 1..end + 1, &[("loss", |n| n as f64)]);
        record.step = Some(end);
        let wrote = if wants_checkpoint {
            let set = CheckpointSet { last: Some(checkpoint(end, end.to_le_bytes().to_vec())), best: None, keep: 2 };
            self.store().job_checkpoint(&lease, record, set).await
        } else {
            self.store().job_record(&lease, record).await
        };
        assert_eq!(wrote.is_ok(), job.status.is_held(), "{job:?}: {wrote:?}");
        if let (Ok(()), Some(job)) = (wrote, self.jobs.get_mut(at)) {
            job.points = end;
            job.crashes = 0;
            if wants_checkpoint {
                job.checkpoint = Some(end);
            }
        }
    }

    /// The worker of a job ends its attempt.
    async fn finish(&mut self, at: usize, how: u8) {
        let Some(job) = self.jobs.get(at) else { return };
        let lease = self.lease(job, job.attempt);
        let outcomes = [Outcome::Succeeded, Outcome::Failed(json!({})), Outcome::Stopped, Outcome::Released];
        let end = finish(outcomes[usize::from(how)].clone());
        let ended = self.store().job_finish(&lease, Record::default(), None, end).await;
        if let Some(job) = self.jobs.get_mut(at) {
            assert_eq!(ended.is_ok(), job.finished(how), "{job:?}: {ended:?}");
        }
    }

    async fn delete(&mut self, at: usize) {
        let Some(job) = self.jobs.get(at) else { return };
        let gone = self.store().job_delete(job.id).await;
        assert_eq!(gone.is_ok(), job.status.is_finished(), "{job:?}: {gone:?}");
        if gone.is_ok() {
            assert!(matches!(self.store().job_get(job.id).await, Err(StoreError::NotFound { .. })));
            self.jobs.remove(at);
        }
    }

    async fn take(&mut self, step: Step) {
        match step {
            Step::Submit { priority } => {
                if self.jobs.len() < 4 {
                    let id = self.store().job_insert(NewJob { priority, ..new_job(&self.iris) }).await.unwrap().id;
                    self.jobs.push(Model {
                        id,
                        priority,
                        status: Status::Queued,
                        attempt: 0,
                        resume_wanted: false,
                        for_space: false,
                        points: 0,
                        checkpoint: None,
                        crashes: 0,
                        transitions: 1,
                    });
                }
            }
            Step::Cancel(at) => self.ask(at, Action::Cancel).await,
            Step::Pause(at) => self.ask(at, Action::Pause).await,
            Step::Resume(at) => self.ask(at, Action::Resume).await,
            Step::Delete(at) => self.delete(at).await,
            Step::Prioritise(at, priority) => {
                let Some(job) = self.jobs.get(at) else { return };
                let patch = JobPatch { priority: Some(priority), ..JobPatch::default() };
                self.store().job_patch(job.id, patch).await.unwrap();
                self.jobs[at].priority = priority;
            }
            Step::ForceDelete(at) => {
                if self.jobs.get(at).is_some_and(|job| !job.status.is_finished()) {
                    self.ask(at, Action::Cancel).await;
                    if self.jobs[at].status.is_held() {
                        self.finish(at, 2).await;
                    }
                }
                self.delete(at).await;
            }
            Step::PauseForSpace => {
                let paused = self.store().job_pause_for_space().await.unwrap();
                let running = self.jobs.iter_mut().filter(|job| job.status == Status::Running);
                let mut expected = Vec::new();
                for job in running {
                    job.to(Status::Pausing);
                    job.for_space = true;
                    expected.push(job.id);
                }
                assert_eq!(paused, expected);
            }
            Step::ResumeForSpace => {
                let resumed = self.store().job_resume_for_space().await.unwrap();
                let paused = self.jobs.iter_mut().filter(|job| job.status == Status::Paused && job.for_space);
                assert_eq!(resumed, paused.map(|job| job.to(Status::Queued)).count() as u64);
            }
            Step::Drain => {
                for at in 0..self.jobs.len() {
                    if self.jobs[at].status.is_held() {
                        self.finish(at, 3).await;
                    }
                }
            }
            Step::Claim => {
                let claimed = self.store().job_claim("w", None).await.unwrap();
                let waiting = self.jobs.iter_mut().filter(|job| job.status == Status::Queued);
                // The highest priority, and of those the first that came: the list is in that order, and `max_by_key` takes the last.
                let first = waiting.rev().max_by_key(|job| job.priority);
                assert_eq!(claimed.map(|(lease, _)| lease.job), first.as_ref().map(|job| job.id));
                if let Some(job) = first {
                    job.to(Status::Running);
                    job.attempt += 1;
                }
            }
            Step::Record { job, points, checkpoint } => self.record(job, points, checkpoint).await,
            Step::RecordLate { job } => {
                let Some(job) = self.jobs.get(job).filter(|job| job.attempt > 1) else { return };
                let late = self.store().job_record(&self.lease(job, job.attempt - 1), Record::default()).await;
                assert!(matches!(late, Err(StoreError::Stale { .. })), "{late:?}");
            }
            Step::Finish { job, how } => self.finish(job, how).await,
            Step::Crash => {
                self.store().job_rescue().await.unwrap();
                self.jobs.iter_mut().for_each(Model::lost);
            }
            Step::Restart => {
                let store = self.open.take().unwrap();
                self.open = Some(reopened(store, &self.directory).await);
                self.jobs.iter_mut().for_each(Model::lost);
            }
        }
    }

    async fn holds(&self) {
        let mut waiting: Vec<&Model> = self.jobs.iter().filter(|job| job.status == Status::Queued).collect();
        waiting.sort_by_key(|job| std::cmp::Reverse(job.priority)); // stable: first come, first served
        for job in &self.jobs {
            let row = self.store().job_get(job.id).await.unwrap();
            assert_eq!((row.status, row.attempt), (job.status, job.attempt), "{job:?}");
            assert_eq!(row.finished_at.is_some(), job.status.is_finished(), "{job:?}");
            assert_eq!(row.error.is_some(), job.status == Status::Failed, "{job:?}");
            assert_eq!(row.transitions.len(), job.transitions, "{job:?}");
            let place = waiting.iter().position(|other| other.id == job.id);
            assert_eq!(row.queue_position, place.map(|place| place as u64), "{job:?}");
            let metrics = self.store().metric_read(job.id, &all_points(Axis::Step)).await.unwrap();
            assert_eq!(metrics.points as u64, job.points.min(10_000), "{job:?}");
            let last = self.store().checkpoint_list(job.id).await.unwrap().into_iter().find(|one| one.last);
            assert_eq!(last.as_ref().map(|last| last.step), job.checkpoint, "{job:?}");
            if let Some(last) = last {
                assert_eq!(self.store().checkpoint_read(last.id).await.unwrap(), last.step.to_le_bytes());
            }
            let events = self.store().event_list(job.id, &EventFilter::default(), None, false, 1000).await.unwrap();
            assert!(events.iter().map(|event| event.number).eq(1..=events.len() as u64), "{job:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn whatever_clients_workers_and_crashes_do_the_store_is_what_the_model_says(steps in steps()) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let (directory, store) = opened().await;
            let iris = dataset(&store, "iris").await;
            let mut world = World { directory, open: Some(store), iris, jobs: Vec::new() };
            for step in steps {
                world.take(step).await;
                world.holds().await;
            }
            world.store().close().await;
            let holding = verify(world.directory.path()).await.unwrap();
            assert_eq!(holding.jobs as usize, world.jobs.len());
        });
    }
}
