//! The tasks of a run. A panic in one of them ends the run as failed, instead of leaving it in
//! progress forever.

use std::{any::Any, panic::AssertUnwindSafe};

use futures::FutureExt;
use tokio_util::task::AbortOnDropHandle;

/// A task that panicked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{task} panicked: {message}")]
pub struct TaskPanic {
    pub task: &'static str,
    pub message: String,
}

impl TaskPanic {
    fn of(task: &'static str, payload: &(dyn Any + Send)) -> Self {
        let text = payload.downcast_ref::<&str>().map(ToString::to_string);
        let text = text.or_else(|| payload.downcast_ref::<String>().cloned());
        Self {
            task,
            message: text.unwrap_or_else(|| "no message".to_owned()),
        }
    }
}

/// Runs `future`, and returns a panic as an error.
pub async fn catch<T>(task: &'static str, future: impl Future<Output = T>) -> Result<T, TaskPanic> {
    AssertUnwindSafe(future)
        .catch_unwind()
        .await
        .map_err(|payload| TaskPanic::of(task, &*payload))
}

/// A task that runs beside the buyers. Dropping it aborts the task.
#[derive(Debug)]
pub struct RunTask(AbortOnDropHandle<Result<(), TaskPanic>>);

impl RunTask {
    /// Spawns `future`; `task` names it in errors.
    pub fn spawn(task: &'static str, future: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(AbortOnDropHandle::new(tokio::spawn(catch(task, future))))
    }

    /// Ends the task.
    ///
    /// # Errors
    /// [`TaskPanic`] if it has panicked.
    pub async fn end(self) -> Result<(), TaskPanic> {
        if self.0.is_finished() {
            self.0.await.unwrap_or(Ok(()))
        } else {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn panicked(message: &str) -> Result<(), TaskPanic> {
        Err(TaskPanic {
            task: "a task",
            message: message.to_owned(),
        })
    }

    #[tokio::test]
    async fn a_panic_is_an_error_with_its_message() {
        let units = 3;
        let formatted: Result<(), _> = catch("a task", async { panic!("{units} units") }).await;
        assert_eq!(formatted, panicked("3 units"));
        let literal: Result<(), _> = catch("a task", async { panic!("no units") }).await;
        assert_eq!(literal, panicked("no units"));
        assert_eq!(catch("a task", async { 7 }).await, Ok(7));
    }

    #[tokio::test]
    async fn a_panicked_task_is_reported_at_its_end_and_a_running_one_is_aborted() {
        let task = RunTask::spawn("a task", async { panic!("no units") });
        while !task.0.is_finished() {
            tokio::task::yield_now().await;
        }
        assert_eq!(task.end().await, panicked("no units"));
        let running = RunTask::spawn("a task", std::future::pending());
        assert_eq!(running.end().await, Ok(()));
    }
}
