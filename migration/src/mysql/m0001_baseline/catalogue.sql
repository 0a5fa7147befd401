-- Products, the history of their sales, and their stock in separate hot rows.

-- A search compares in any case and with or without accents: the collation does that for letters
-- that contain their accent, and combining marks are removed. LIKE uses the collation; LOCATE
-- compares as many bytes as the word has, so that `cafe` would not find `café`.
CREATE TABLE product (
  id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  slug VARCHAR(80) NOT NULL,
  name VARCHAR(120) NOT NULL,
  description LONGTEXT NOT NULL,
  category VARCHAR(60) NOT NULL,
  artwork VARCHAR(120) NOT NULL,
  price_cents BIGINT NOT NULL,
  currency CHAR(3) NOT NULL,
  per_customer_limit INT,
  sale_starts_at DATETIME(6),
  sale_ends_at DATETIME(6),
  lane_id BIGINT,
  compare_at_cents BIGINT,
  search_text LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_520_ci
    GENERATED ALWAYS AS
      (REGEXP_REPLACE(LOWER(CONCAT(name, ' ', description)), '{marks}', '')) STORED,
  UNIQUE KEY product_slug_key (slug),
  KEY product_lane_id (lane_id),
  CONSTRAINT product_price_positive CHECK (price_cents > 0),
  CONSTRAINT product_per_customer_limit_positive
    CHECK (per_customer_limit IS NULL OR per_customer_limit > 0),
  CONSTRAINT product_compare_at_above_price
    CHECK (compare_at_cents IS NULL OR compare_at_cents > price_cents),
  CONSTRAINT product_sale_ends_after_start
    CHECK (sale_starts_at IS NULL OR sale_ends_at IS NULL OR sale_ends_at > sale_starts_at),
  CONSTRAINT product_lane_id FOREIGN KEY (lane_id) REFERENCES simulation_lane (id)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE {collation}
//
CREATE FUNCTION fold_search_text(value LONGTEXT CHARACTER SET utf8mb4 COLLATE {collation})
  RETURNS LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_520_ci
  DETERMINISTIC NO SQL
  RETURN REGEXP_REPLACE(LOWER(value), '{marks}', '')
//
CREATE TABLE product_change (
  id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  product_id BIGINT NOT NULL,
  at DATETIME(6) NOT NULL DEFAULT (UTC_TIMESTAMP(6)),
  actor VARCHAR(20) NOT NULL,
  field VARCHAR(20) NOT NULL,
  `before` LONGTEXT,
  `after` LONGTEXT,
  KEY product_change_product_id (product_id, id),
  CONSTRAINT product_change_actor_known CHECK (actor IN ('administrator', 'command line')),
  CONSTRAINT product_change_field_known
    CHECK (field IN ('from', 'until', 'price', 'compare-at price', 'limit')),
  CONSTRAINT product_change_changes CHECK (NOT (`before` <=> `after`)),
  CONSTRAINT product_change_product_id
    FOREIGN KEY (product_id) REFERENCES product (id) ON DELETE CASCADE
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE {collation}
//
-- The two rules are separate constraints, because the error of a combined CHECK does not say which
-- part failed.
CREATE TABLE stock (
  product_id BIGINT NOT NULL PRIMARY KEY,
  total BIGINT NOT NULL,
  available BIGINT NOT NULL,
  reserved BIGINT NOT NULL DEFAULT 0,
  sold BIGINT NOT NULL DEFAULT 0,
  version BIGINT NOT NULL DEFAULT 0,
  unguarded BOOLEAN NOT NULL DEFAULT FALSE,
  layout VARCHAR(8) NOT NULL DEFAULT 'row',
  fence BIGINT NOT NULL DEFAULT 0,
  CONSTRAINT stock_available_not_negative CHECK (unguarded OR available >= 0),
  CONSTRAINT stock_conserved CHECK (
    unguarded OR layout <> 'row'
    OR (reserved >= 0 AND sold >= 0 AND available + reserved + sold = total)),
  CONSTRAINT stock_layout_known CHECK (layout IN ('row', 'buckets', 'units')),
  CONSTRAINT stock_product_id FOREIGN KEY (product_id) REFERENCES product (id) ON DELETE CASCADE
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE {collation}
//
CREATE TABLE stock_bucket (
  product_id BIGINT NOT NULL,
  bucket INT NOT NULL,
  total BIGINT NOT NULL,
  available BIGINT NOT NULL,
  sold BIGINT NOT NULL DEFAULT 0,
  PRIMARY KEY (product_id, bucket),
  CONSTRAINT stock_bucket_available_not_negative CHECK (available >= 0),
  CONSTRAINT stock_bucket_conserved CHECK (sold >= 0 AND available + sold = total),
  CONSTRAINT stock_bucket_product_id
    FOREIGN KEY (product_id) REFERENCES stock (product_id) ON DELETE CASCADE
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE {collation}
//
CREATE TABLE stock_unit (
  product_id BIGINT NOT NULL,
  unit INT NOT NULL,
  sold BOOLEAN NOT NULL DEFAULT FALSE,
  PRIMARY KEY (product_id, unit),
  KEY stock_unit_for_sale (product_id, sold, unit),
  CONSTRAINT stock_unit_product_id
    FOREIGN KEY (product_id) REFERENCES stock (product_id) ON DELETE CASCADE
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE {collation}
//
-- Pages, verdicts and the audit read `stock_level`: it has the counters for every stock layout.
CREATE VIEW stock_level AS
SELECT s.product_id, s.total,
       CASE s.layout
         WHEN 'buckets' THEN (SELECT CAST(COALESCE(SUM(b.available), 0) AS SIGNED)
                              FROM stock_bucket b WHERE b.product_id = s.product_id)
         WHEN 'units' THEN (SELECT COUNT(*) FROM stock_unit u
                            WHERE u.product_id = s.product_id AND u.sold = FALSE)
         ELSE s.available END AS available,
       s.reserved,
       CASE s.layout
         WHEN 'buckets' THEN (SELECT CAST(COALESCE(SUM(b.sold), 0) AS SIGNED)
                              FROM stock_bucket b WHERE b.product_id = s.product_id)
         WHEN 'units' THEN (SELECT COUNT(*) FROM stock_unit u
                            WHERE u.product_id = s.product_id AND u.sold = TRUE)
         ELSE s.sold END AS sold,
       s.version, s.unguarded
FROM stock s
//
