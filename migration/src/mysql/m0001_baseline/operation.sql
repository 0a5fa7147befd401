-- What the servers keep for themselves: sessions, secrets, heartbeats, idempotency keys.

-- Stored responses of requests that changed data, by the caller's key. A response is written in the
-- same transaction as the change.
CREATE TABLE idempotency_key (
  `key` VARCHAR(120) NOT NULL PRIMARY KEY,
  fingerprint CHAR(64) NOT NULL,
  response LONGTEXT,
  created_at DATETIME(6) NOT NULL DEFAULT (UTC_TIMESTAMP(6)),
  KEY idempotency_key_created_at (created_at)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE {collation}
//
-- The outcomes of queued orders that were not written under their own id: refused, or sold under
-- another id because their key was used before. JSON.
CREATE TABLE queue_outcome (
  order_id BINARY(16) NOT NULL PRIMARY KEY,
  outcome LONGTEXT NOT NULL,
  decided_at DATETIME(6) NOT NULL DEFAULT (UTC_TIMESTAMP(6)),
  KEY queue_outcome_decided_at (decided_at)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE {collation}
//
CREATE TABLE session (
  id VARCHAR(32) NOT NULL PRIMARY KEY,
  data LONGTEXT NOT NULL,
  expires_at DATETIME(6) NOT NULL,
  KEY session_expires_at (expires_at)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE {collation}
//
CREATE TABLE admin_credential (
  id INT NOT NULL PRIMARY KEY,
  password_hash LONGTEXT NOT NULL,
  changed_at DATETIME(6) NOT NULL DEFAULT (UTC_TIMESTAMP(6)),
  CONSTRAINT admin_credential_single CHECK (id = 1)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE {collation}
//
CREATE TABLE shop_secret (
  name VARCHAR(40) NOT NULL PRIMARY KEY,
  value VARCHAR(100) NOT NULL
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE {collation}
//
CREATE TABLE server_heartbeat (
  server_id BINARY(16) NOT NULL PRIMARY KEY,
  started_at DATETIME(6) NOT NULL DEFAULT (UTC_TIMESTAMP(6)),
  beat_at DATETIME(6) NOT NULL DEFAULT (UTC_TIMESTAMP(6))
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE {collation}
//
-- The changes that servers announce to each other. MySQL has no LISTEN: they poll this table, and
-- delete rows that are older than a minute.
CREATE TABLE notice (
  id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  text VARCHAR(8000) NOT NULL,
  at DATETIME(6) NOT NULL DEFAULT (UTC_TIMESTAMP(6)),
  KEY notice_at (at)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE {collation}
//
-- A commit that wrote nothing is not flushed. A replayed answer therefore writes here, so that what
-- it confirms is on disk before it is sent.
CREATE TABLE flush_mark (
  slot INT NOT NULL PRIMARY KEY,
  marks BIGINT NOT NULL DEFAULT 0
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE {collation}
//
