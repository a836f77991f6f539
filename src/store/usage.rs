//! What the data directory holds, in numbers.
use std::sync::Arc;

use sqlx::Row;

use super::{Status, Store, StoreError, file, job};

/// Counts what is stored.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Usage {
    /// Bytes of the database with its log.
    pub database_bytes: u64,
    /// Bytes of uploaded files and tables.
    pub files_bytes: u64,
    /// Bytes free on the file system.
    pub free_bytes: u64,
    /// Number of datasets.
    pub datasets: u64,
    /// Number of jobs by status; every status is there.
    pub jobs: Vec<(Status, u64)>,
}

impl Store {
    /// Counts what is stored.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Io`].
    pub async fn usage(&self) -> Result<Usage, StoreError> {
        let directory = Arc::clone(&self.shared.directory);
        let (database_bytes, files_bytes, free_bytes) = file::blocking(move || {
            let (database, files) = directory.bytes()?;
            Ok((database, files, directory.free_bytes()?))
        })
        .await?;
        let mut connection = self.read().await?;
        let datasets: i64 = sqlx::query_scalar("SELECT count(*) FROM dataset").fetch_one(&mut *connection).await?;
        let rows =
            sqlx::query("SELECT status, count(*) AS jobs FROM job GROUP BY status").fetch_all(&mut *connection).await?;
        let mut jobs: Vec<(Status, u64)> = Status::ALL.map(|status| (status, 0)).to_vec();
        for row in rows {
            let status = job::status_of(&row)?;
            let count: i64 = row.try_get("jobs")?;
            jobs.iter_mut().filter(|(s, _)| *s == status).for_each(|(_, n)| *n = count as u64);
        }
        Ok(Usage { database_bytes, files_bytes, free_bytes, datasets: datasets as u64, jobs })
    }

    /// Proves that the store can write: commits a mark.
    ///
    /// # Errors
    /// [`StoreError::Full`], [`StoreError::Busy`] and other failures of the disk.
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.write(|tx| {
            Box::pin(async move {
                sqlx::query(
                    "INSERT INTO meta (key, value) VALUES ('written_at', ?1) ON CONFLICT DO UPDATE SET value = ?1",
                )
                .bind(tx.now.to_string())
                .execute(&mut tx.connection)
                .await?;
                Ok(())
            })
        })
        .await
    }

    /// Gives where the data directory is, for the server's own log and status; never for clients.
    pub fn directory(&self) -> &std::path::Path {
        self.shared.directory.root()
    }
}
