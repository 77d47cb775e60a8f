import GRDB

/// The tables of the job database, migration by migration; a released migration is never changed.
enum JobSchema {
    static var migrator: DatabaseMigrator {
        var migrator = DatabaseMigrator()
        migrator.registerMigration("jobs") { database in
            // `document` is the whole `Job` as JSON; the columns beside it are those that are searched.
            try database.execute(
                sql: """
                    CREATE TABLE jobs (
                        sequence INTEGER PRIMARY KEY AUTOINCREMENT,
                        id TEXT NOT NULL UNIQUE,
                        status TEXT NOT NULL,
                        idempotencyKey TEXT UNIQUE,
                        completedAt REAL,
                        expiresAt REAL,
                        bytes INTEGER NOT NULL DEFAULT 0,
                        document TEXT NOT NULL
                    ) STRICT;
                    CREATE INDEX jobsByStatus ON jobs (status, sequence);
                    CREATE INDEX jobsByExpiry ON jobs (expiresAt, status, bytes);
                    CREATE TABLE pictures (
                        job INTEGER NOT NULL REFERENCES jobs (sequence) ON DELETE CASCADE,
                        position INTEGER NOT NULL,
                        bytes BLOB NOT NULL,
                        PRIMARY KEY (job, position)
                    ) STRICT;
                    CREATE TABLE runs (
                        job INTEGER PRIMARY KEY REFERENCES jobs (sequence) ON DELETE CASCADE,
                        request BLOB NOT NULL,
                        state BLOB
                    ) STRICT;
                    """
            )
        }
        migrator.registerMigration("deaths") { database in
            // How often the process died while a job ran, at no later step than before.
            try database.execute(
                sql: """
                    ALTER TABLE runs ADD COLUMN deaths INTEGER NOT NULL DEFAULT 0;
                    ALTER TABLE runs ADD COLUMN furthestStep INTEGER NOT NULL DEFAULT 0;
                    """
            )
        }
        return migrator
    }
}
