//! Control planes that tests use one after another: to start one costs several seconds of a processor, to empty one a fraction of
//! one. A test has its plane for itself.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::api::Served;
use super::running::Running;
use super::store::{Contents, Store};

/// How long an API server may take to serve what its store contains.
const SETTLED: Duration = Duration::from_secs(10);

/// The planes that no test has at the moment. They end with the last test that has one: statics are never dropped.
#[derive(Default)]
pub struct Pool {
    free: Mutex<Vec<Clean>>,
}

impl Pool {
    /// That of all tests of this process.
    pub fn shared() -> Arc<Self> {
        static SHARED: Mutex<Weak<Pool>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock();
        let pool = shared.upgrade().unwrap_or_default();
        *shared = Arc::downgrade(&pool);
        pool
    }

    /// A plane that has nothing but what a new one has.
    pub fn take(&self, start: impl FnOnce() -> Running) -> Clean {
        let free = self.free.lock().pop();
        free.unwrap_or_else(|| Clean::new(start()))
    }

    pub fn is_empty(&self) -> bool {
        self.free.lock().is_empty()
    }

    /// Takes a plane back. One that cannot be emptied is ended.
    pub fn give(&self, plane: Clean) {
        match plane.empty() {
            Ok(()) => self.free.lock().push(plane),
            Err(error) => eprintln!("a control plane is not used again: {error}"),
        }
    }
}

/// A plane of the pool, with what it had when it was new.
pub struct Clean {
    pub running: Running,
    store: Store,
    contents: Contents,
    served: Served,
}

impl Clean {
    fn new(running: Running) -> Self {
        let store = running.store();
        let start = Instant::now();
        // The same before and after: nothing was on its way.
        loop {
            assert!(
                start.elapsed() < SETTLED,
                "a new control plane does not come to rest within {SETTLED:?}"
            );
            let contents = store.contents().expect("what it has");
            let served = running.api.served().expect("what it serves");
            if store.contents().expect("what it has") == contents {
                return Self {
                    running,
                    store,
                    contents,
                    served,
                };
            }
        }
    }

    /// Removes all that was made, brings back all that was changed, and waits until the API server serves that.
    fn empty(&self) -> Result<(), String> {
        let api = &self.running.api;
        self.running.forget_kinds()?;
        let start = Instant::now();
        loop {
            // What a process that was killed had on its way may come after the first time.
            let is_changed = self.store.put_back(&self.contents)?;
            if !is_changed && api.served()? == self.served {
                return Ok(());
            }
            if start.elapsed() > SETTLED {
                return Err(format!("it did not serve within {SETTLED:?} what it served at first"));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}
