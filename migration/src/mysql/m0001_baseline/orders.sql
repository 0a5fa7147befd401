-- Carts, orders and what belongs to an order.

CREATE TABLE cart (
  id BINARY(16) NOT NULL PRIMARY KEY,
  created_at DATETIME(6) NOT NULL DEFAULT (UTC_TIMESTAMP(6)),
  changed_at DATETIME(6) NOT NULL DEFAULT (UTC_TIMESTAMP(6)),
  seen_again BOOLEAN NOT NULL DEFAULT FALSE
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE {collation}
//
CREATE TABLE cart_item (
  cart_id BINARY(16) NOT NULL,
  product_id BIGINT NOT NULL,
  quantity INT NOT NULL,
  PRIMARY KEY (cart_id, product_id),
  KEY cart_item_product_id (product_id),
  CONSTRAINT cart_item_quantity_in_range CHECK (quantity BETWEEN 1 AND 1000),
  CONSTRAINT cart_item_cart_id FOREIGN KEY (cart_id) REFERENCES cart (id) ON DELETE CASCADE,
  CONSTRAINT cart_item_product_id FOREIGN KEY (product_id) REFERENCES product (id) ON DELETE CASCADE
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE {collation}
//
-- Never contains card data.
CREATE TABLE checkout_draft (
  cart_id BINARY(16) NOT NULL PRIMARY KEY,
  fields LONGTEXT NOT NULL,
  CONSTRAINT checkout_draft_cart_id FOREIGN KEY (cart_id) REFERENCES cart (id) ON DELETE CASCADE
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE {collation}
//
CREATE TABLE customer_order (
  id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  public_id BINARY(16) NOT NULL,
  status VARCHAR(12) NOT NULL,
  settlement VARCHAR(12) NOT NULL,
  customer_name VARCHAR(200),
  email VARCHAR(254),
  email_folded VARCHAR(254),
  street VARCHAR(160),
  postal_code VARCHAR(20),
  city VARCHAR(80),
  country VARCHAR(60),
  currency CHAR(3) NOT NULL,
  total_cents BIGINT NOT NULL,
  lane_id BIGINT,
  placed_at DATETIME(6) NOT NULL DEFAULT (UTC_TIMESTAMP(6)),
  status_reason VARCHAR(20),
  cart_id BINARY(16),
  discount_code VARCHAR(40),
  subtotal_cents BIGINT NOT NULL DEFAULT 0,
  discount_cents BIGINT NOT NULL DEFAULT 0,
  shipping_cents BIGINT NOT NULL DEFAULT 0,
  tax_basis_points INT NOT NULL DEFAULT 1900,
  tax_cents BIGINT NOT NULL DEFAULT 0,
  due_cents BIGINT NOT NULL DEFAULT 0,
  changed_at DATETIME(6) NOT NULL DEFAULT (UTC_TIMESTAMP(6)),
  UNIQUE KEY customer_order_public_id_key (public_id),
  KEY customer_order_email_folded (email_folded),
  KEY customer_order_lane_id (lane_id),
  KEY customer_order_status (status),
  CONSTRAINT customer_order_status_known
    CHECK (status IN ('placed', 'pending', 'declined', 'paid', 'backordered', 'cancelled')),
  CONSTRAINT customer_order_settlement_known CHECK (settlement IN ('on_account', 'card')),
  CONSTRAINT customer_order_total_positive CHECK (total_cents > 0),
  CONSTRAINT customer_order_amounts_in_range CHECK (
    subtotal_cents >= 0 AND discount_cents BETWEEN 0 AND subtotal_cents AND shipping_cents >= 0
    AND tax_cents BETWEEN 0 AND total_cents AND due_cents BETWEEN 0 AND total_cents)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE {collation}
//
CREATE TABLE order_line (
  id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  order_id BIGINT NOT NULL,
  product_id BIGINT NOT NULL,
  product_name VARCHAR(120) NOT NULL,
  unit_price_cents BIGINT NOT NULL,
  quantity INT NOT NULL,
  returned_quantity INT NOT NULL DEFAULT 0,
  refunded_quantity INT NOT NULL DEFAULT 0,
  customer_limit INT,
  UNIQUE KEY order_line_once_a_product (order_id, product_id),
  KEY order_line_product_id (product_id),
  KEY order_line_limited (product_id, customer_limit),
  CONSTRAINT order_line_quantity_in_range CHECK (quantity BETWEEN 1 AND 1000),
  CONSTRAINT order_line_returned_in_range CHECK (returned_quantity BETWEEN 0 AND quantity),
  CONSTRAINT order_line_refunded_in_range CHECK (refunded_quantity BETWEEN 0 AND quantity),
  CONSTRAINT order_line_order_id
    FOREIGN KEY (order_id) REFERENCES customer_order (id) ON DELETE CASCADE,
  CONSTRAINT order_line_product_id FOREIGN KEY (product_id) REFERENCES product (id)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE {collation}
//
CREATE TABLE hold (
  id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  cart_id BINARY(16),
  order_id BIGINT,
  product_id BIGINT NOT NULL,
  quantity INT NOT NULL,
  state VARCHAR(10) NOT NULL,
  reason VARCHAR(20),
  extended BOOLEAN NOT NULL DEFAULT FALSE,
  expires_at DATETIME(6) NOT NULL,
  created_at DATETIME(6) NOT NULL DEFAULT (UTC_TIMESTAMP(6)),
  closed_at DATETIME(6),
  network VARCHAR(39),
  reserved_at DATETIME(6),
  unit_price_cents BIGINT,
  ends_with_sale BOOLEAN NOT NULL DEFAULT FALSE,
  KEY hold_cart_id (cart_id),
  KEY hold_order_id (order_id),
  KEY hold_product_id (product_id),
  KEY hold_state_expires_at (state, expires_at),
  KEY hold_network (network, closed_at),
  CONSTRAINT hold_quantity_in_range CHECK (quantity BETWEEN 1 AND 1000),
  CONSTRAINT hold_state_known CHECK (state IN ('held', 'sold', 'released')),
  CONSTRAINT hold_closed_once CHECK ((state = 'held') = (closed_at IS NULL)),
  CONSTRAINT hold_cart_id FOREIGN KEY (cart_id) REFERENCES cart (id) ON DELETE SET NULL,
  CONSTRAINT hold_order_id FOREIGN KEY (order_id) REFERENCES customer_order (id) ON DELETE CASCADE,
  CONSTRAINT hold_product_id FOREIGN KEY (product_id) REFERENCES product (id) ON DELETE CASCADE
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE {collation}
//
CREATE TABLE payment (
  id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  order_id BIGINT NOT NULL,
  reference BINARY(16) NOT NULL,
  state VARCHAR(20) NOT NULL,
  amount_cents BIGINT NOT NULL,
  currency CHAR(3) NOT NULL,
  captured_cents BIGINT NOT NULL DEFAULT 0,
  decline_reason VARCHAR(200),
  created_at DATETIME(6) NOT NULL DEFAULT (UTC_TIMESTAMP(6)),
  settled_at DATETIME(6),
  ask_at DATETIME(6) NOT NULL,
  idempotency_key VARCHAR(120),
  reported_cents BIGINT,
  reported_currency VARCHAR(10),
  UNIQUE KEY payment_reference_key (reference),
  KEY payment_order_id (order_id),
  KEY payment_state_ask_at (state, ask_at),
  CONSTRAINT payment_state_known
    CHECK (state IN ('pending', 'captured', 'declined', 'voided', 'wrong_amount')),
  CONSTRAINT payment_captured_in_range CHECK (
    amount_cents > 0 AND captured_cents >= 0
    AND (captured_cents <= amount_cents OR state = 'wrong_amount')),
  CONSTRAINT payment_settled_once CHECK ((state = 'pending') = (settled_at IS NULL)),
  CONSTRAINT payment_reported_both CHECK (
    (reported_cents IS NULL) = (reported_currency IS NULL)
    AND (state <> 'wrong_amount' OR reported_cents IS NOT NULL)),
  CONSTRAINT payment_order_id
    FOREIGN KEY (order_id) REFERENCES customer_order (id) ON DELETE CASCADE
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE {collation}
//
CREATE TABLE refund (
  id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  payment_id BIGINT NOT NULL,
  order_id BIGINT NOT NULL,
  reference BINARY(16) NOT NULL,
  state VARCHAR(10) NOT NULL,
  reason VARCHAR(20) NOT NULL,
  amount_cents BIGINT NOT NULL,
  created_at DATETIME(6) NOT NULL DEFAULT (UTC_TIMESTAMP(6)),
  settled_at DATETIME(6),
  ask_at DATETIME(6) NOT NULL DEFAULT (UTC_TIMESTAMP(6)),
  UNIQUE KEY refund_reference_key (reference),
  KEY refund_order_id (order_id),
  KEY refund_payment_id (payment_id),
  KEY refund_state_ask_at (state, ask_at),
  CONSTRAINT refund_amount_positive CHECK (amount_cents > 0),
  CONSTRAINT refund_state_known CHECK (state IN ('pending', 'succeeded')),
  CONSTRAINT refund_settled_once CHECK ((state = 'pending') = (settled_at IS NULL)),
  CONSTRAINT refund_order_id
    FOREIGN KEY (order_id) REFERENCES customer_order (id) ON DELETE CASCADE,
  CONSTRAINT refund_payment_id FOREIGN KEY (payment_id) REFERENCES payment (id) ON DELETE CASCADE
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE {collation}
//
CREATE TABLE payment_event (
  provider_event_id VARCHAR(100) NOT NULL PRIMARY KEY,
  reference BINARY(16) NOT NULL,
  kind VARCHAR(40) NOT NULL,
  received_at DATETIME(6) NOT NULL DEFAULT (UTC_TIMESTAMP(6))
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE {collation}
//
CREATE TABLE discount_code (
  code VARCHAR(40) NOT NULL PRIMARY KEY,
  percent INT,
  amount_cents BIGINT,
  min_subtotal_cents BIGINT NOT NULL DEFAULT 0,
  starts_at DATETIME(6),
  ends_at DATETIME(6),
  uses_max INT NOT NULL,
  uses INT NOT NULL DEFAULT 0,
  per_customer_limit INT,
  created_at DATETIME(6) NOT NULL DEFAULT (UTC_TIMESTAMP(6)),
  switched_off_at DATETIME(6),
  CONSTRAINT discount_code_one_kind CHECK (
    (percent IS NULL) <> (amount_cents IS NULL)
    AND COALESCE(percent, 1) BETWEEN 1 AND 100 AND COALESCE(amount_cents, 1) > 0),
  CONSTRAINT discount_code_uses_in_range CHECK (uses BETWEEN 0 AND uses_max)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE {collation}
//
CREATE TABLE discount_code_change (
  id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  code VARCHAR(40) NOT NULL,
  at DATETIME(6) NOT NULL,
  actor VARCHAR(20) NOT NULL,
  is_on BOOLEAN NOT NULL,
  KEY discount_code_change_code_id (code, id),
  CONSTRAINT discount_code_change_actor_known CHECK (actor IN ('administrator', 'command line')),
  CONSTRAINT discount_code_change_code
    FOREIGN KEY (code) REFERENCES discount_code (code) ON DELETE CASCADE
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE {collation}
//
CREATE TABLE discount_use (
  order_id BIGINT NOT NULL PRIMARY KEY,
  code VARCHAR(40) NOT NULL,
  email_folded VARCHAR(254) NOT NULL,
  given_back BOOLEAN NOT NULL DEFAULT FALSE,
  KEY discount_use_code_email_folded (code, email_folded),
  CONSTRAINT discount_use_code FOREIGN KEY (code) REFERENCES discount_code (code),
  CONSTRAINT discount_use_order_id
    FOREIGN KEY (order_id) REFERENCES customer_order (id) ON DELETE CASCADE
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE {collation}
//
