-- Runs of the workbench, their lanes, and what is kept of each.

CREATE TABLE simulation_run (
  id BINARY(16) NOT NULL PRIMARY KEY,
  state VARCHAR(12) NOT NULL,
  plan LONGTEXT NOT NULL,
  verdict LONGTEXT,
  failure LONGTEXT,
  started_at DATETIME(6) NOT NULL DEFAULT (UTC_TIMESTAMP(6)),
  beat_at DATETIME(6) NOT NULL DEFAULT (UTC_TIMESTAMP(6)),
  ended_at DATETIME(6),
  wish VARCHAR(12) NOT NULL DEFAULT 'run',
  events LONGTEXT,
  buyer_secret CHAR(64),
  name LONGTEXT,
  note LONGTEXT,
  CONSTRAINT simulation_run_state_known
    CHECK (state IN ('running', 'finished', 'stopped', 'aborted', 'failed', 'stepped')),
  CONSTRAINT simulation_run_wish_known CHECK (wish IN ('run', 'pause', 'stop', 'abort'))
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE {collation}
//
CREATE TABLE simulation_lane (
  id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  run_id BINARY(16) NOT NULL,
  strategy VARCHAR(32) NOT NULL,
  product_id BIGINT,
  start LONGTEXT,
  KEY simulation_lane_run_id (run_id),
  CONSTRAINT simulation_lane_run_id
    FOREIGN KEY (run_id) REFERENCES simulation_run (id) ON DELETE CASCADE
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE {collation}
//
CREATE TABLE simulation_sample (
  lane_id BIGINT NOT NULL,
  elapsed_ms INT NOT NULL,
  counts LONGTEXT NOT NULL,
  PRIMARY KEY (lane_id, elapsed_ms),
  CONSTRAINT simulation_sample_lane_id
    FOREIGN KEY (lane_id) REFERENCES simulation_lane (id) ON DELETE CASCADE
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE {collation}
//
CREATE TABLE simulation_lock_picture (
  lane_id BIGINT NOT NULL PRIMARY KEY,
  picture LONGTEXT NOT NULL,
  CONSTRAINT simulation_lock_picture_lane_id
    FOREIGN KEY (lane_id) REFERENCES simulation_lane (id) ON DELETE CASCADE
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE {collation}
//
