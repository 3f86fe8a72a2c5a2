-- What the database is after all migrations; `npm run schema` writes it.

CREATE EXTENSION btree_gist;

CREATE SEQUENCE usage_fold_numbers;
CREATE SEQUENCE webhook_message_positions;

CREATE TABLE accepted_differences (
  fingerprint text NOT NULL,
  difference_id text NOT NULL,
  reason text NOT NULL,
  accepted_by text NOT NULL,
  accepted_at timestamp with time zone NOT NULL,
  CONSTRAINT accepted_differences_difference_fkey FOREIGN KEY (difference_id) REFERENCES reconciliation_differences(id) ON DELETE RESTRICT,
  CONSTRAINT accepted_differences_pkey PRIMARY KEY (fingerprint)
);

CREATE TABLE announced_counts (
  id text NOT NULL,
  source_id text NOT NULL,
  starts_at timestamp with time zone NOT NULL,
  ends_at timestamp with time zone NOT NULL,
  count bigint NOT NULL,
  announced_at timestamp with time zone NOT NULL,
  announced_by text NOT NULL,
  replaced_at timestamp with time zone,
  check_at timestamp with time zone,
  checked_at timestamp with time zone,
  told_missing bigint,
  CONSTRAINT announced_counts_count_check CHECK ((count >= 0)),
  CONSTRAINT announced_counts_pkey PRIMARY KEY (id),
  CONSTRAINT announced_counts_source_fkey FOREIGN KEY (source_id) REFERENCES sources(id) ON DELETE RESTRICT,
  CONSTRAINT announced_counts_span_check CHECK ((starts_at < ends_at))
);

CREATE TABLE api_keys (
  id text NOT NULL,
  name text NOT NULL,
  token_sha256 bytea NOT NULL,
  hint text NOT NULL,
  scopes text[] NOT NULL,
  created_at timestamp with time zone NOT NULL,
  revoked_at timestamp with time zone,
  source_id text,
  CONSTRAINT api_keys_pkey PRIMARY KEY (id),
  CONSTRAINT api_keys_scopes_check CHECK (((cardinality(scopes) > 0) AND (scopes <@ ARRAY['ingest'::text, 'read'::text, 'configure'::text, 'bill'::text, 'admin'::text]))),
  CONSTRAINT api_keys_source_fkey FOREIGN KEY (source_id) REFERENCES sources(id) ON DELETE RESTRICT,
  CONSTRAINT api_keys_token_unique UNIQUE (token_sha256)
);

CREATE TABLE billing_period_holds (
  billing_period_id text NOT NULL,
  held_at timestamp with time zone NOT NULL,
  reasons jsonb NOT NULL,
  checked_at timestamp with time zone NOT NULL,
  next_check_at timestamp with time zone NOT NULL,
  released_at timestamp with time zone,
  released_by text,
  released_reason text,
  CONSTRAINT billing_period_holds_period_fkey FOREIGN KEY (billing_period_id) REFERENCES billing_periods(id) ON DELETE CASCADE,
  CONSTRAINT billing_period_holds_pkey PRIMARY KEY (billing_period_id),
  CONSTRAINT billing_period_holds_reasons_check CHECK ((jsonb_typeof(reasons) = 'array'::text)),
  CONSTRAINT billing_period_holds_release_check CHECK ((num_nulls(released_at, released_by, released_reason) = ANY (ARRAY[0, 3])))
);

CREATE TABLE billing_periods (
  id text NOT NULL,
  subscription_id text NOT NULL,
  plan_version_id text NOT NULL,
  starts_at timestamp with time zone NOT NULL,
  ends_at timestamp with time zone NOT NULL,
  closes_at timestamp with time zone NOT NULL,
  state text NOT NULL,
  cut_off_batch bigint,
  closed_at timestamp with time zone,
  fees_due_at timestamp with time zone,
  is_watched boolean NOT NULL DEFAULT false,
  late_since timestamp with time zone,
  settled_batch bigint,
  is_billed_early boolean NOT NULL DEFAULT false,
  CONSTRAINT billing_periods_late_check CHECK (((state = 'closed'::text) OR ((NOT is_watched) AND (late_since IS NULL) AND (settled_batch IS NULL)))),
  CONSTRAINT billing_periods_no_overlap EXCLUDE USING gist (subscription_id WITH =, tstzrange(starts_at, ends_at) WITH &&),
  CONSTRAINT billing_periods_pkey PRIMARY KEY (id),
  CONSTRAINT billing_periods_plan_version_fkey FOREIGN KEY (plan_version_id) REFERENCES plan_versions(id) ON DELETE RESTRICT,
  CONSTRAINT billing_periods_span_check CHECK (((starts_at < ends_at) AND (ends_at <= closes_at))),
  CONSTRAINT billing_periods_state_check CHECK ((((state = 'open'::text) AND (closed_at IS NULL) AND (cut_off_batch IS NULL)) OR ((state = 'closed'::text) AND (closed_at IS NOT NULL) AND (cut_off_batch IS NOT NULL)))),
  CONSTRAINT billing_periods_subscription_fkey FOREIGN KEY (subscription_id) REFERENCES subscriptions(id) ON DELETE RESTRICT
);

CREATE TABLE customer_standings (
  customer_id text NOT NULL,
  standing text NOT NULL,
  changed_at timestamp with time zone NOT NULL,
  next_change_at timestamp with time zone,
  CONSTRAINT customer_standings_customer_fkey FOREIGN KEY (customer_id) REFERENCES customers(id) ON DELETE RESTRICT,
  CONSTRAINT customer_standings_pkey PRIMARY KEY (customer_id),
  CONSTRAINT customer_standings_standing_check CHECK ((standing = ANY (ARRAY['good'::text, 'past_due'::text, 'suspended'::text])))
);

CREATE TABLE customer_subject_changes (
  id bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
  customer_id text NOT NULL,
  starts_at timestamp with time zone NOT NULL,
  changed_at timestamp with time zone NOT NULL,
  taken_at timestamp with time zone,
  CONSTRAINT customer_subject_changes_pkey PRIMARY KEY (id)
);

CREATE TABLE customer_subjects (
  subject text NOT NULL,
  customer_id text NOT NULL,
  starts_at timestamp with time zone NOT NULL,
  ends_at timestamp with time zone NOT NULL,
  created_at timestamp with time zone NOT NULL,
  number bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
  CONSTRAINT customer_subjects_customer_fkey FOREIGN KEY (customer_id) REFERENCES customers(id) ON DELETE RESTRICT,
  CONSTRAINT customer_subjects_number_unique UNIQUE (number),
  CONSTRAINT customer_subjects_one_owner EXCLUDE USING gist (subject WITH =, tstzrange(starts_at, ends_at) WITH &&),
  CONSTRAINT customer_subjects_pkey PRIMARY KEY (subject, starts_at),
  CONSTRAINT customer_subjects_span_check CHECK ((starts_at < ends_at))
);

CREATE TABLE customer_suspensions (
  crossing_id text NOT NULL,
  customer_id text NOT NULL,
  ends_at timestamp with time zone,
  since timestamp with time zone NOT NULL,
  CONSTRAINT customer_suspensions_crossing_fkey FOREIGN KEY (crossing_id) REFERENCES threshold_crossings(id) ON DELETE RESTRICT,
  CONSTRAINT customer_suspensions_customer_fkey FOREIGN KEY (customer_id) REFERENCES customers(id) ON DELETE RESTRICT,
  CONSTRAINT customer_suspensions_pkey PRIMARY KEY (crossing_id)
);

CREATE TABLE customers (
  id text NOT NULL,
  key text NOT NULL,
  name text NOT NULL,
  email text,
  currency text NOT NULL,
  time_zone text NOT NULL,
  stripe_customer_id text,
  metadata jsonb NOT NULL,
  created_at timestamp with time zone NOT NULL,
  updated_at timestamp with time zone NOT NULL,
  CONSTRAINT customers_key_unique UNIQUE (key),
  CONSTRAINT customers_pkey PRIMARY KEY (id),
  CONSTRAINT customers_stripe_customer_unique UNIQUE (stripe_customer_id)
);

CREATE TABLE draft_queues (
  stripe_subscription_id text NOT NULL,
  customer_id text NOT NULL,
  next_look_at timestamp with time zone,
  attempt_count integer NOT NULL,
  last_error text,
  created_at timestamp with time zone NOT NULL,
  stripe_account_id text,
  CONSTRAINT draft_queues_customer_fkey FOREIGN KEY (customer_id) REFERENCES customers(id) ON DELETE RESTRICT,
  CONSTRAINT draft_queues_pkey PRIMARY KEY (stripe_subscription_id)
);

CREATE TABLE external_line_items (
  line_item_id text NOT NULL,
  invoice_id text NOT NULL,
  webhook_endpoint_id text NOT NULL,
  message_id text NOT NULL,
  queued_at timestamp with time zone NOT NULL,
  acknowledged_at timestamp with time zone,
  external_id text,
  due_at timestamp with time zone,
  CONSTRAINT external_line_items_endpoint_fkey FOREIGN KEY (webhook_endpoint_id) REFERENCES webhook_endpoints(id) ON DELETE RESTRICT,
  CONSTRAINT external_line_items_invoice_fkey FOREIGN KEY (invoice_id) REFERENCES invoices(id) ON DELETE RESTRICT,
  CONSTRAINT external_line_items_line_item_fkey FOREIGN KEY (line_item_id) REFERENCES line_items(id) ON DELETE RESTRICT,
  CONSTRAINT external_line_items_message_unique UNIQUE (message_id),
  CONSTRAINT external_line_items_pkey PRIMARY KEY (line_item_id)
);

CREATE TABLE idempotency_keys (
  api_key_id text NOT NULL,
  idempotency_key text NOT NULL,
  request_sha256 bytea NOT NULL,
  status smallint NOT NULL,
  response json NOT NULL,
  created_at timestamp with time zone NOT NULL,
  CONSTRAINT idempotency_keys_pkey PRIMARY KEY (api_key_id, idempotency_key)
);

CREATE TABLE ingest_batches (
  id bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
  received_at timestamp with time zone NOT NULL,
  event_count integer NOT NULL,
  fold bigint,
  is_correction boolean NOT NULL DEFAULT false,
  CONSTRAINT ingest_batches_pkey PRIMARY KEY (id)
);

CREATE TABLE invoices (
  id text NOT NULL,
  customer_id text NOT NULL,
  billing_period_id text NOT NULL,
  currency text NOT NULL,
  finalize boolean NOT NULL,
  state text NOT NULL,
  stripe_customer_id text,
  stripe_invoice_id text,
  number text,
  total_minor bigint,
  amount_paid_minor bigint,
  hosted_invoice_url text,
  created_at timestamp with time zone NOT NULL,
  updated_at timestamp with time zone NOT NULL,
  stripe_subscription_id text,
  stripe_account_id text,
  provider text NOT NULL DEFAULT 'stripe'::text,
  CONSTRAINT invoices_billing_period_fkey FOREIGN KEY (billing_period_id) REFERENCES billing_periods(id) ON DELETE RESTRICT,
  CONSTRAINT invoices_customer_fkey FOREIGN KEY (customer_id) REFERENCES customers(id) ON DELETE RESTRICT,
  CONSTRAINT invoices_pkey PRIMARY KEY (id),
  CONSTRAINT invoices_provider_check CHECK (((provider = 'stripe'::text) OR ((provider = 'webhook'::text) AND (stripe_invoice_id IS NULL) AND (stripe_subscription_id IS NULL)))),
  CONSTRAINT invoices_state_check CHECK ((state = ANY (ARRAY['pending'::text, 'draft'::text, 'open'::text, 'paid'::text, 'uncollectible'::text, 'void'::text, 'deleted'::text]))),
  CONSTRAINT invoices_stripe_unique UNIQUE (stripe_invoice_id)
);

CREATE TABLE late_usage (
  id text NOT NULL,
  customer_id text NOT NULL,
  subscription_id text NOT NULL,
  billing_period_id text NOT NULL,
  state text NOT NULL,
  cut_off_batch bigint NOT NULL,
  currency text NOT NULL,
  amount_minor bigint NOT NULL,
  lines jsonb NOT NULL,
  decided_at timestamp with time zone,
  decided_by text,
  decision_reason text,
  created_at timestamp with time zone NOT NULL,
  updated_at timestamp with time zone NOT NULL,
  ownership_number bigint,
  CONSTRAINT late_usage_billing_period_fkey FOREIGN KEY (billing_period_id) REFERENCES billing_periods(id) ON DELETE RESTRICT,
  CONSTRAINT late_usage_customer_fkey FOREIGN KEY (customer_id) REFERENCES customers(id) ON DELETE RESTRICT,
  CONSTRAINT late_usage_decision_check CHECK ((((state = ANY (ARRAY['unbilled'::text, 'held'::text])) = (decided_at IS NULL)) AND ((decided_at IS NULL) = (decided_by IS NULL)) AND ((decided_at IS NULL) = (decision_reason IS NULL)))),
  CONSTRAINT late_usage_pkey PRIMARY KEY (id),
  CONSTRAINT late_usage_state_check CHECK ((state = ANY (ARRAY['unbilled'::text, 'held'::text, 'to_bill'::text, 'billed'::text, 'dismissed'::text]))),
  CONSTRAINT late_usage_subscription_fkey FOREIGN KEY (subscription_id) REFERENCES subscriptions(id) ON DELETE RESTRICT
);

CREATE TABLE late_usage_scans (
  is_only boolean NOT NULL DEFAULT true,
  done_batch bigint NOT NULL,
  CONSTRAINT late_usage_scans_one CHECK (is_only),
  CONSTRAINT late_usage_scans_pkey PRIMARY KEY (is_only)
);

CREATE TABLE line_items (
  id text NOT NULL,
  customer_id text NOT NULL,
  subscription_id text NOT NULL,
  billing_period_id text NOT NULL,
  price_id text NOT NULL,
  kind text NOT NULL,
  quantity numeric,
  amount_minor bigint NOT NULL,
  currency text NOT NULL,
  description text NOT NULL,
  cut_off_batch bigint NOT NULL,
  steps jsonb NOT NULL,
  state text NOT NULL,
  failure text,
  invoice_id text,
  stripe_invoice_item_id text,
  created_at timestamp with time zone NOT NULL,
  corrects_line_item_id text,
  adjustment_number integer NOT NULL DEFAULT 0,
  billed_in_period_id text,
  ownership_number bigint,
  carried_over text,
  counted_until timestamp with time zone,
  counted_except tstzmultirange,
  CONSTRAINT line_items_adjustment_check CHECK ((((kind = 'adjustment'::text) = (corrects_line_item_id IS NOT NULL)) AND ((kind = 'adjustment'::text) = (adjustment_number > 0)) AND ((kind = 'adjustment'::text) OR (billed_in_period_id IS NULL)))),
  CONSTRAINT line_items_billed_in_fkey FOREIGN KEY (billed_in_period_id) REFERENCES billing_periods(id) ON DELETE RESTRICT,
  CONSTRAINT line_items_billing_period_fkey FOREIGN KEY (billing_period_id) REFERENCES billing_periods(id) ON DELETE RESTRICT,
  CONSTRAINT line_items_corrects_fkey FOREIGN KEY (corrects_line_item_id) REFERENCES line_items(id) ON DELETE RESTRICT,
  CONSTRAINT line_items_counted_check CHECK (((counted_until IS NULL) = (counted_except IS NULL))),
  CONSTRAINT line_items_customer_fkey FOREIGN KEY (customer_id) REFERENCES customers(id) ON DELETE RESTRICT,
  CONSTRAINT line_items_failure_check CHECK (((state = 'failed'::text) = (failure IS NOT NULL))),
  CONSTRAINT line_items_invoice_fkey FOREIGN KEY (invoice_id) REFERENCES invoices(id) ON DELETE RESTRICT,
  CONSTRAINT line_items_kind_check CHECK (((kind = ANY (ARRAY['flat'::text, 'usage'::text, 'minimum'::text, 'maximum'::text, 'adjustment'::text])) AND
CASE kind
    WHEN 'usage'::text THEN (quantity IS NOT NULL)
    WHEN 'adjustment'::text THEN true
    ELSE (quantity IS NULL)
END)),
  CONSTRAINT line_items_once UNIQUE (billing_period_id, price_id, adjustment_number),
  CONSTRAINT line_items_pkey PRIMARY KEY (id),
  CONSTRAINT line_items_price_fkey FOREIGN KEY (price_id) REFERENCES prices(id) ON DELETE RESTRICT,
  CONSTRAINT line_items_state_check CHECK ((state = ANY (ARRAY['pending'::text, 'sent'::text, 'on_invoice'::text, 'finalized'::text, 'paid'::text, 'uncollectible'::text, 'void'::text, 'failed'::text]))),
  CONSTRAINT line_items_stripe_unique UNIQUE (stripe_invoice_item_id),
  CONSTRAINT line_items_subscription_fkey FOREIGN KEY (subscription_id) REFERENCES subscriptions(id) ON DELETE RESTRICT
);

CREATE TABLE meter_event_streams (
  id text NOT NULL,
  subscription_id text NOT NULL,
  customer_id text NOT NULL,
  meter_id text NOT NULL,
  starts_at timestamp with time zone NOT NULL,
  ends_at timestamp with time zone NOT NULL,
  state text NOT NULL,
  quantity numeric NOT NULL,
  measured_at timestamp with time zone,
  stripe_customer_id text,
  next_attempt_at timestamp with time zone,
  attempt_count integer NOT NULL,
  waits_for text,
  check_at timestamp with time zone,
  at_stripe numeric,
  at_check numeric,
  checked_at timestamp with time zone,
  created_at timestamp with time zone NOT NULL,
  CONSTRAINT meter_event_streams_checked_check CHECK ((((at_stripe IS NULL) = (checked_at IS NULL)) AND ((at_check IS NULL) = (checked_at IS NULL)))),
  CONSTRAINT meter_event_streams_customer_fkey FOREIGN KEY (customer_id) REFERENCES customers(id) ON DELETE RESTRICT,
  CONSTRAINT meter_event_streams_meter_fkey FOREIGN KEY (meter_id) REFERENCES meters(id) ON DELETE RESTRICT,
  CONSTRAINT meter_event_streams_once UNIQUE (subscription_id, meter_id, starts_at),
  CONSTRAINT meter_event_streams_pkey PRIMARY KEY (id),
  CONSTRAINT meter_event_streams_span_check CHECK ((starts_at <= ends_at)),
  CONSTRAINT meter_event_streams_state_check CHECK ((state = ANY (ARRAY['open'::text, 'closed'::text]))),
  CONSTRAINT meter_event_streams_subscription_fkey FOREIGN KEY (subscription_id) REFERENCES subscriptions(id) ON DELETE RESTRICT
);

CREATE TABLE meter_events (
  id text NOT NULL,
  stream_id text NOT NULL,
  sequence integer NOT NULL,
  identifier text NOT NULL,
  value numeric NOT NULL,
  happened_at timestamp with time zone NOT NULL,
  state text NOT NULL,
  sent_at timestamp with time zone NOT NULL,
  cancel_sent_at timestamp with time zone,
  attempt_count integer NOT NULL,
  must_look boolean NOT NULL,
  accepted_at timestamp with time zone,
  cancel_refusal text,
  failure_code text,
  failure text,
  created_at timestamp with time zone NOT NULL,
  CONSTRAINT meter_events_accepted_check CHECK (((state <> 'accepted'::text) OR (accepted_at IS NOT NULL))),
  CONSTRAINT meter_events_cancelling_check CHECK (((state <> 'cancelling'::text) OR (cancel_sent_at IS NOT NULL))),
  CONSTRAINT meter_events_failed_check CHECK ((((state = 'failed'::text) = (failure IS NOT NULL)) AND ((state = 'failed'::text) = (failure_code IS NOT NULL)))),
  CONSTRAINT meter_events_identifier_unique UNIQUE (identifier),
  CONSTRAINT meter_events_once UNIQUE (stream_id, sequence),
  CONSTRAINT meter_events_pkey PRIMARY KEY (id),
  CONSTRAINT meter_events_state_check CHECK ((state = ANY (ARRAY['sent'::text, 'accepted'::text, 'cancelling'::text, 'cancelled'::text, 'absent'::text, 'failed'::text]))),
  CONSTRAINT meter_events_stream_fkey FOREIGN KEY (stream_id) REFERENCES meter_event_streams(id) ON DELETE RESTRICT,
  CONSTRAINT meter_events_value_check CHECK (((value > (0)::numeric) AND (value = trunc(value))))
);

CREATE TABLE meters (
  id text NOT NULL,
  number integer NOT NULL GENERATED ALWAYS AS IDENTITY,
  key text NOT NULL,
  name text NOT NULL,
  description text NOT NULL,
  unit text NOT NULL,
  event_type text NOT NULL,
  aggregation text NOT NULL,
  value_property text,
  filters jsonb NOT NULL,
  group_by jsonb NOT NULL,
  counts_from timestamp with time zone NOT NULL,
  created_at timestamp with time zone NOT NULL,
  value_expression text,
  percentile numeric,
  archived_at timestamp with time zone,
  CONSTRAINT meters_aggregation_check CHECK (
CASE
    WHEN (aggregation = 'count'::text) THEN (num_nonnulls(value_property, value_expression) = 0)
    WHEN (aggregation = 'unique_count'::text) THEN ((value_property IS NOT NULL) AND (value_expression IS NULL))
    ELSE ((aggregation = ANY (ARRAY['sum'::text, 'min'::text, 'max'::text, 'avg'::text, 'latest'::text, 'percentile'::text, 'time_weighted_sum'::text])) AND (num_nonnulls(value_property, value_expression) = 1))
END),
  CONSTRAINT meters_key_unique UNIQUE (key),
  CONSTRAINT meters_number_unique UNIQUE (number),
  CONSTRAINT meters_percentile_check CHECK (
CASE
    WHEN (aggregation = 'percentile'::text) THEN ((percentile IS NOT NULL) AND (percentile > (0)::numeric) AND (percentile <= (100)::numeric))
    ELSE (percentile IS NULL)
END),
  CONSTRAINT meters_pkey PRIMARY KEY (id)
);

CREATE TABLE plan_changes (
  subscription_id text NOT NULL,
  starts_at timestamp with time zone NOT NULL,
  plan_id text NOT NULL,
  version integer,
  recorded_at timestamp with time zone NOT NULL,
  CONSTRAINT plan_changes_pkey PRIMARY KEY (subscription_id, starts_at),
  CONSTRAINT plan_changes_plan_fkey FOREIGN KEY (plan_id) REFERENCES plans(id) ON DELETE RESTRICT,
  CONSTRAINT plan_changes_subscription_fkey FOREIGN KEY (subscription_id) REFERENCES subscriptions(id) ON DELETE RESTRICT
);

CREATE TABLE plan_versions (
  id text NOT NULL,
  plan_id text NOT NULL,
  version integer NOT NULL,
  currency text NOT NULL,
  "interval" text NOT NULL,
  grace_seconds integer NOT NULL,
  created_at timestamp with time zone NOT NULL,
  is_default boolean NOT NULL DEFAULT true,
  late_usage text NOT NULL DEFAULT 'next_period'::text,
  closing_checks text[] NOT NULL DEFAULT '{}'::text[],
  CONSTRAINT plan_versions_closing_checks_check CHECK ((closing_checks <@ ARRAY['usage_level'::text, 'source_gaps'::text, 'conflicts'::text, 'quarantined_values'::text, 'stripe_reachable'::text, 'webhook_endpoint_enabled'::text])),
  CONSTRAINT plan_versions_grace_check CHECK ((grace_seconds >= 0)),
  CONSTRAINT plan_versions_interval_check CHECK (("interval" = ANY (ARRAY['day'::text, 'week'::text, 'month'::text, 'quarter'::text, 'year'::text]))),
  CONSTRAINT plan_versions_late_usage_check CHECK ((late_usage = ANY (ARRAY['next_period'::text, 'ignore'::text, 'hold'::text]))),
  CONSTRAINT plan_versions_number_unique UNIQUE (plan_id, version, currency),
  CONSTRAINT plan_versions_pkey PRIMARY KEY (id),
  CONSTRAINT plan_versions_plan_fkey FOREIGN KEY (plan_id) REFERENCES plans(id) ON DELETE RESTRICT
);

CREATE TABLE plans (
  id text NOT NULL,
  key text NOT NULL,
  name text NOT NULL,
  created_at timestamp with time zone NOT NULL,
  CONSTRAINT plans_key_unique UNIQUE (key),
  CONSTRAINT plans_pkey PRIMARY KEY (id)
);

CREATE TABLE prices (
  id text NOT NULL,
  plan_version_id text NOT NULL,
  key text NOT NULL,
  "position" integer NOT NULL,
  kind text NOT NULL,
  amount numeric,
  meter_id text,
  model text,
  unit_price numeric,
  definition jsonb,
  CONSTRAINT prices_definition_check CHECK (
CASE
    WHEN (definition IS NULL) THEN ((num_nonnulls(amount, unit_price) = 1) AND ((amount IS NOT NULL) = (kind = 'flat'::text)))
    ELSE (jsonb_typeof(definition) = 'object'::text)
END),
  CONSTRAINT prices_key_unique UNIQUE (plan_version_id, key),
  CONSTRAINT prices_kind_check CHECK (
CASE
    WHEN (kind = 'usage'::text) THEN ((meter_id IS NOT NULL) AND (model IS NOT NULL) AND (model = ANY (ARRAY['per_unit'::text, 'graduated'::text, 'volume'::text, 'package'::text, 'percentage'::text])))
    ELSE ((kind = ANY (ARRAY['flat'::text, 'minimum'::text, 'maximum'::text])) AND (meter_id IS NULL) AND (model IS NULL))
END),
  CONSTRAINT prices_meter_fkey FOREIGN KEY (meter_id) REFERENCES meters(id) ON DELETE RESTRICT,
  CONSTRAINT prices_pkey PRIMARY KEY (id),
  CONSTRAINT prices_plan_version_fkey FOREIGN KEY (plan_version_id) REFERENCES plan_versions(id) ON DELETE RESTRICT
);

CREATE TABLE provider_event_polls (
  provider text NOT NULL,
  polled_from timestamp with time zone NOT NULL,
  polled_to timestamp with time zone,
  after_event_id text,
  next_poll_at timestamp with time zone NOT NULL,
  answered_at timestamp with time zone,
  failing_since timestamp with time zone,
  failure text,
  CONSTRAINT provider_event_polls_failure_check CHECK (((failing_since IS NULL) = (failure IS NULL))),
  CONSTRAINT provider_event_polls_pkey PRIMARY KEY (provider),
  CONSTRAINT provider_event_polls_provider_check CHECK ((provider = ANY (ARRAY['stripe'::text, 'stripe_settled'::text]))),
  CONSTRAINT provider_event_polls_span_check CHECK (((polled_to IS NOT NULL) OR (after_event_id IS NULL)))
);

CREATE TABLE provider_events (
  id text NOT NULL,
  type text NOT NULL,
  object_id text,
  livemode boolean NOT NULL,
  payload text NOT NULL,
  via text NOT NULL,
  occurred_at timestamp with time zone NOT NULL,
  received_at timestamp with time zone NOT NULL,
  state text NOT NULL,
  attempt_count integer NOT NULL,
  next_attempt_at timestamp with time zone NOT NULL,
  last_error text,
  processed_at timestamp with time zone,
  snapshot_event_id text,
  CONSTRAINT provider_events_pkey PRIMARY KEY (id),
  CONSTRAINT provider_events_state_check CHECK ((((state = ANY (ARRAY['pending'::text, 'failed'::text])) AND (processed_at IS NULL)) OR ((state = ANY (ARRAY['processed'::text, 'ignored'::text])) AND (processed_at IS NOT NULL)))),
  CONSTRAINT provider_events_via_check CHECK ((via = ANY (ARRAY['webhook'::text, 'poll'::text])))
);

CREATE TABLE provider_leases (
  customer_id text NOT NULL,
  token uuid NOT NULL,
  leased_until timestamp with time zone NOT NULL,
  CONSTRAINT provider_leases_pkey PRIMARY KEY (customer_id)
);

CREATE TABLE provider_syncs (
  id text NOT NULL,
  customer_id text NOT NULL,
  invoice_id text NOT NULL,
  line_item_id text,
  kind text NOT NULL,
  "position" integer NOT NULL,
  generation integer NOT NULL,
  state text NOT NULL,
  first_sent_at timestamp with time zone,
  is_key_spent boolean NOT NULL,
  attempt_count integer NOT NULL,
  next_attempt_at timestamp with time zone NOT NULL,
  last_error text,
  failure_code text,
  stripe_object_id text,
  created_at timestamp with time zone NOT NULL,
  updated_at timestamp with time zone NOT NULL,
  call_id text,
  CONSTRAINT provider_syncs_call_check CHECK (((call_id IS NULL) OR ((kind = 'create_item'::text) AND (first_sent_at IS NOT NULL)))),
  CONSTRAINT provider_syncs_failure_check CHECK (((state = 'failed'::text) = (failure_code IS NOT NULL))),
  CONSTRAINT provider_syncs_invoice_fkey FOREIGN KEY (invoice_id) REFERENCES invoices(id) ON DELETE RESTRICT,
  CONSTRAINT provider_syncs_kind_check CHECK ((((kind = ANY (ARRAY['create_invoice'::text, 'finalize_invoice'::text])) AND (line_item_id IS NULL)) OR ((kind = 'create_item'::text) AND (line_item_id IS NOT NULL)))),
  CONSTRAINT provider_syncs_line_item_fkey FOREIGN KEY (line_item_id) REFERENCES line_items(id) ON DELETE RESTRICT,
  CONSTRAINT provider_syncs_once UNIQUE NULLS NOT DISTINCT (invoice_id, kind, line_item_id),
  CONSTRAINT provider_syncs_pkey PRIMARY KEY (id),
  CONSTRAINT provider_syncs_position_unique UNIQUE (invoice_id, "position"),
  CONSTRAINT provider_syncs_state_check CHECK ((state = ANY (ARRAY['pending'::text, 'succeeded'::text, 'failed'::text, 'abandoned'::text])))
);

CREATE TABLE quarantined_values (
  meter integer NOT NULL,
  source text NOT NULL,
  event_id text NOT NULL,
  subject text NOT NULL,
  "time" timestamp with time zone NOT NULL,
  batch_id bigint NOT NULL,
  reason text NOT NULL,
  value jsonb,
  id bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
  dismissed_at timestamp with time zone,
  dismissed_by text,
  dismissed_reason text,
  CONSTRAINT quarantined_values_dismissed_check CHECK ((num_nulls(dismissed_at, dismissed_by, dismissed_reason) = ANY (ARRAY[0, 3]))),
  CONSTRAINT quarantined_values_id_unique UNIQUE (id),
  CONSTRAINT quarantined_values_pkey PRIMARY KEY (meter, source, event_id)
);

CREATE TABLE reconciliation_differences (
  id text NOT NULL,
  reconciliation_id text NOT NULL,
  class text NOT NULL,
  repair text NOT NULL,
  rank integer NOT NULL,
  customer_id text,
  invoice_id text,
  line_item_id text,
  stripe_id text,
  stripe_invoice_id text,
  looked_at_invoices text[] NOT NULL,
  looked_at_items text[] NOT NULL,
  ours_minor bigint,
  ours_currency text,
  theirs_minor bigint,
  theirs_currency text,
  detail text NOT NULL,
  state text NOT NULL,
  requested_by text,
  requested_at timestamp with time zone,
  begun_at timestamp with time zone,
  attempt_count integer NOT NULL,
  next_attempt_at timestamp with time zone,
  settled_at timestamp with time zone,
  outcome text,
  CONSTRAINT reconciliation_differences_money_check CHECK ((((ours_minor IS NULL) = (ours_currency IS NULL)) AND ((theirs_minor IS NULL) = (theirs_currency IS NULL)))),
  CONSTRAINT reconciliation_differences_pkey PRIMARY KEY (id),
  CONSTRAINT reconciliation_differences_reconciliation_fkey FOREIGN KEY (reconciliation_id) REFERENCES reconciliations(id) ON DELETE RESTRICT,
  CONSTRAINT reconciliation_differences_state_check CHECK (((state = ANY (ARRAY['open'::text, 'queued'::text, 'repaired'::text, 'gone'::text, 'failed'::text, 'accepted'::text])) AND ((state = 'open'::text) = (requested_by IS NULL)) AND ((requested_by IS NULL) = (requested_at IS NULL)) AND ((state = 'queued'::text) = (next_attempt_at IS NOT NULL)) AND ((state = ANY (ARRAY['repaired'::text, 'gone'::text, 'failed'::text, 'accepted'::text])) = (settled_at IS NOT NULL)) AND ((settled_at IS NULL) = (outcome IS NULL))))
);

CREATE TABLE reconciliation_doubts (
  reconciliation_id text NOT NULL,
  key text NOT NULL,
  invoice_id text,
  stripe_invoice_ids text[] NOT NULL,
  stripe_item_ids text[] NOT NULL,
  look_count integer NOT NULL,
  next_look_at timestamp with time zone NOT NULL,
  CONSTRAINT reconciliation_doubts_pkey PRIMARY KEY (reconciliation_id, key),
  CONSTRAINT reconciliation_doubts_reconciliation_fkey FOREIGN KEY (reconciliation_id) REFERENCES reconciliations(id) ON DELETE CASCADE
);

CREATE TABLE reconciliation_sightings (
  reconciliation_id text NOT NULL,
  stripe_id text NOT NULL,
  kind text NOT NULL,
  stripe_invoice_id text,
  status text,
  amount_minor bigint,
  currency text,
  description text,
  named text,
  invoice_id text,
  is_bare boolean NOT NULL DEFAULT false,
  is_credited boolean NOT NULL DEFAULT false,
  CONSTRAINT reconciliation_sightings_kind_check CHECK (
CASE kind
    WHEN 'invoice'::text THEN ((status IS NOT NULL) AND (num_nonnulls(amount_minor, currency) = 0))
    WHEN 'item'::text THEN ((status IS NULL) AND (num_nulls(amount_minor, currency) = 0))
    WHEN 'credit_note'::text THEN ((stripe_invoice_id IS NOT NULL) AND (num_nonnulls(status, amount_minor, currency) = 0))
    ELSE false
END),
  CONSTRAINT reconciliation_sightings_pkey PRIMARY KEY (reconciliation_id, stripe_id),
  CONSTRAINT reconciliation_sightings_reconciliation_fkey FOREIGN KEY (reconciliation_id) REFERENCES reconciliations(id) ON DELETE CASCADE
);

CREATE TABLE reconciliations (
  id text NOT NULL,
  starts_at timestamp with time zone NOT NULL,
  ends_at timestamp with time zone NOT NULL,
  night date,
  state text NOT NULL,
  phase text NOT NULL,
  after_id text,
  next_step_at timestamp with time zone NOT NULL,
  attempt_count integer NOT NULL,
  error text,
  totals jsonb NOT NULL,
  invoice_count integer NOT NULL,
  line_item_count integer NOT NULL,
  difference_count integer NOT NULL,
  created_at timestamp with time zone NOT NULL,
  created_by text,
  finished_at timestamp with time zone,
  accepted_count integer NOT NULL DEFAULT 0,
  CONSTRAINT reconciliations_creator_check CHECK (((night IS NULL) = (created_by IS NOT NULL))),
  CONSTRAINT reconciliations_night_unique UNIQUE (night),
  CONSTRAINT reconciliations_phase_check CHECK ((phase = ANY (ARRAY['invoices'::text, 'items'::text, 'credit_notes'::text, 'compare'::text, 'unplaced'::text, 'recheck'::text]))),
  CONSTRAINT reconciliations_pkey PRIMARY KEY (id),
  CONSTRAINT reconciliations_span_check CHECK ((starts_at < ends_at)),
  CONSTRAINT reconciliations_state_check CHECK (((state = ANY (ARRAY['running'::text, 'completed'::text, 'failed'::text])) AND ((state = 'running'::text) = (finished_at IS NULL))))
);

CREATE TABLE rejected_usage_events (
  id text NOT NULL,
  fingerprint uuid NOT NULL,
  source text,
  event_id text,
  code text NOT NULL,
  detail text NOT NULL,
  payload text NOT NULL,
  received_at timestamp with time zone NOT NULL,
  closed_as text,
  closed_at timestamp with time zone,
  closed_by text,
  closed_reason text,
  became_source text,
  became_id text,
  CONSTRAINT rejected_usage_events_closed_check CHECK (
CASE closed_as
    WHEN 'repaired'::text THEN ((num_nulls(closed_at, closed_by, became_source, became_id) = 0) AND (closed_reason IS NULL))
    WHEN 'dismissed'::text THEN ((num_nulls(closed_at, closed_by, closed_reason) = 0) AND (num_nonnulls(became_source, became_id) = 0))
    ELSE ((closed_as IS NULL) AND (num_nonnulls(closed_at, closed_by, closed_reason, became_source, became_id) = 0))
END),
  CONSTRAINT rejected_usage_events_once UNIQUE (fingerprint),
  CONSTRAINT rejected_usage_events_pkey PRIMARY KEY (id)
);

CREATE TABLE sequence_counters (
  source_id text NOT NULL,
  counter text NOT NULL,
  first_number bigint NOT NULL,
  next_number bigint NOT NULL,
  missing int8multirange NOT NULL,
  last_at timestamp with time zone NOT NULL,
  other_first bigint,
  other_next bigint,
  other_missing int8multirange,
  other_at timestamp with time zone,
  began_at timestamp with time zone,
  other_began_at timestamp with time zone,
  CONSTRAINT sequence_counters_number_check CHECK (((first_number >= 0) AND (first_number < next_number))),
  CONSTRAINT sequence_counters_other_check CHECK (((num_nulls(other_first, other_next, other_missing, other_at) = ANY (ARRAY[0, 4])) AND (other_first < other_next))),
  CONSTRAINT sequence_counters_pkey PRIMARY KEY (source_id, counter),
  CONSTRAINT sequence_counters_source_fkey FOREIGN KEY (source_id) REFERENCES sources(id) ON DELETE RESTRICT
);

CREATE TABLE sequence_gaps (
  id text NOT NULL,
  source_id text NOT NULL,
  counter text NOT NULL,
  missing int8multirange NOT NULL,
  found_at timestamp with time zone NOT NULL,
  told_at timestamp with time zone,
  began_at timestamp with time zone,
  CONSTRAINT sequence_gaps_pkey PRIMARY KEY (id),
  CONSTRAINT sequence_gaps_source_fkey FOREIGN KEY (source_id) REFERENCES sources(id) ON DELETE RESTRICT
);

CREATE TABLE source_activity (
  source_id text NOT NULL,
  last_stored_at timestamp with time zone,
  silent_since timestamp with time zone,
  CONSTRAINT source_activity_pkey PRIMARY KEY (source_id),
  CONSTRAINT source_activity_source_fkey FOREIGN KEY (source_id) REFERENCES sources(id) ON DELETE RESTRICT
);

CREATE TABLE source_outcome_writers (
  id uuid NOT NULL,
  last_write bigint NOT NULL,
  written_at timestamp with time zone NOT NULL,
  CONSTRAINT source_outcome_writers_last_write_check CHECK ((last_write > 0)),
  CONSTRAINT source_outcome_writers_pkey PRIMARY KEY (id)
);

CREATE TABLE source_outcomes (
  source_id text NOT NULL,
  minute_at timestamp with time zone NOT NULL,
  code text NOT NULL,
  count bigint NOT NULL,
  CONSTRAINT source_outcomes_count_check CHECK ((count > 0)),
  CONSTRAINT source_outcomes_pkey PRIMARY KEY (source_id, minute_at, code),
  CONSTRAINT source_outcomes_source_fkey FOREIGN KEY (source_id) REFERENCES sources(id) ON DELETE RESTRICT
);

CREATE TABLE sources (
  id text NOT NULL,
  key text NOT NULL,
  name text NOT NULL,
  format text NOT NULL,
  mapping jsonb NOT NULL,
  token_header text,
  token_query text,
  created_at timestamp with time zone NOT NULL,
  archived_at timestamp with time zone,
  expected_every integer,
  expected_since timestamp with time zone,
  rejecting_share numeric(5,4),
  rejecting_min_records integer,
  rejecting_window_seconds integer,
  rejecting_since timestamp with time zone,
  gap_grace integer NOT NULL DEFAULT 300,
  CONSTRAINT sources_expected_check CHECK (((num_nulls(expected_every, expected_since) = ANY (ARRAY[0, 2])) AND (expected_every > 0))),
  CONSTRAINT sources_gap_grace_check CHECK ((gap_grace >= 0)),
  CONSTRAINT sources_key_unique UNIQUE (key),
  CONSTRAINT sources_pkey PRIMARY KEY (id),
  CONSTRAINT sources_rejecting_check CHECK (((num_nulls(rejecting_share, rejecting_min_records, rejecting_window_seconds) = ANY (ARRAY[0, 3])) AND (rejecting_share > (0)::numeric) AND (rejecting_share <= (1)::numeric) AND (rejecting_min_records > 0) AND (rejecting_window_seconds > 0) AND ((rejecting_since IS NULL) OR (rejecting_share IS NOT NULL)))),
  CONSTRAINT sources_token_check CHECK (((token_header IS NULL) OR (token_query IS NULL)))
);

CREATE TABLE stripe_customer_links (
  id text NOT NULL,
  customer_id text NOT NULL,
  how text NOT NULL,
  wanted_id text,
  state text NOT NULL,
  generation integer NOT NULL,
  first_sent_at timestamp with time zone,
  is_key_spent boolean NOT NULL,
  attempt_count integer NOT NULL,
  next_attempt_at timestamp with time zone NOT NULL,
  last_error text,
  failure_code text,
  stripe_customer_id text,
  stripe_account_id text,
  created_at timestamp with time zone NOT NULL,
  updated_at timestamp with time zone NOT NULL,
  CONSTRAINT stripe_customer_links_customer_fkey FOREIGN KEY (customer_id) REFERENCES customers(id) ON DELETE RESTRICT,
  CONSTRAINT stripe_customer_links_how_check CHECK ((((how = 'id'::text) AND (wanted_id IS NOT NULL)) OR ((how = ANY (ARRAY['metadata'::text, 'create'::text])) AND (wanted_id IS NULL)))),
  CONSTRAINT stripe_customer_links_pkey PRIMARY KEY (id),
  CONSTRAINT stripe_customer_links_state_check CHECK (((state = ANY (ARRAY['pending'::text, 'linked'::text, 'failed'::text])) AND ((state = 'linked'::text) = (stripe_customer_id IS NOT NULL)) AND ((state = 'failed'::text) = (failure_code IS NOT NULL))))
);

CREATE TABLE stripe_drafts (
  stripe_invoice_id text NOT NULL,
  stripe_subscription_id text NOT NULL,
  period_end timestamp with time zone NOT NULL,
  attach_by timestamp with time zone NOT NULL,
  check_at timestamp with time zone,
  warned_at timestamp with time zone,
  noted_at timestamp with time zone NOT NULL,
  CONSTRAINT stripe_drafts_pkey PRIMARY KEY (stripe_invoice_id),
  CONSTRAINT stripe_drafts_queue_fkey FOREIGN KEY (stripe_subscription_id) REFERENCES draft_queues(stripe_subscription_id) ON DELETE RESTRICT
);

CREATE TABLE stripe_meters (
  meter_id text NOT NULL,
  event_name text NOT NULL,
  stripe_meter_id text,
  customer_payload_key text,
  value_payload_key text,
  stripe_account_id text,
  failure text,
  looked_at timestamp with time zone,
  created_at timestamp with time zone NOT NULL,
  CONSTRAINT stripe_meters_event_name_unique UNIQUE (event_name),
  CONSTRAINT stripe_meters_found_check CHECK ((((stripe_meter_id IS NULL) = (customer_payload_key IS NULL)) AND ((stripe_meter_id IS NULL) = (value_payload_key IS NULL)))),
  CONSTRAINT stripe_meters_meter_fkey FOREIGN KEY (meter_id) REFERENCES meters(id) ON DELETE RESTRICT,
  CONSTRAINT stripe_meters_pkey PRIMARY KEY (meter_id)
);

CREATE TABLE stripe_rate_limits (
  name text NOT NULL,
  next_at timestamp with time zone NOT NULL,
  strike_count integer NOT NULL,
  rests_until timestamp with time zone,
  CONSTRAINT stripe_rate_limits_pkey PRIMARY KEY (name)
);

CREATE TABLE subscriptions (
  id text NOT NULL,
  customer_id text NOT NULL,
  plan_id text NOT NULL,
  starts_at timestamp with time zone NOT NULL,
  ends_at timestamp with time zone,
  anchor text NOT NULL,
  time_zone text NOT NULL,
  provider text NOT NULL,
  finalize boolean NOT NULL,
  created_at timestamp with time zone NOT NULL,
  anchor_at timestamp with time zone,
  trial_ends_at timestamp with time zone,
  pauses tstzmultirange NOT NULL DEFAULT '{}'::tstzmultirange,
  plan_since timestamp with time zone,
  last_bill text NOT NULL DEFAULT 'after_grace'::text,
  stripe_subscription_id text,
  webhook_endpoint_id text,
  sends_meter_events boolean NOT NULL DEFAULT false,
  CONSTRAINT subscriptions_anchor_check CHECK ((((anchor = 'calendar'::text) AND (anchor_at IS NULL)) OR ((anchor = 'anniversary'::text) AND (anchor_at IS NOT NULL)))),
  CONSTRAINT subscriptions_customer_fkey FOREIGN KEY (customer_id) REFERENCES customers(id) ON DELETE RESTRICT,
  CONSTRAINT subscriptions_last_bill_check CHECK ((last_bill = ANY (ARRAY['after_grace'::text, 'at_once'::text, 'period_end'::text]))),
  CONSTRAINT subscriptions_meter_events_check CHECK (((NOT sends_meter_events) OR (provider = 'none'::text))),
  CONSTRAINT subscriptions_no_overlap EXCLUDE USING gist (customer_id WITH =, plan_id WITH =, tstzrange(LEAST(COALESCE(plan_since, starts_at), ends_at), COALESCE(ends_at, 'infinity'::timestamp with time zone)) WITH &&),
  CONSTRAINT subscriptions_pauses_check CHECK ((NOT lower_inf(pauses))),
  CONSTRAINT subscriptions_pkey PRIMARY KEY (id),
  CONSTRAINT subscriptions_plan_fkey FOREIGN KEY (plan_id) REFERENCES plans(id) ON DELETE RESTRICT,
  CONSTRAINT subscriptions_provider_check CHECK ((provider = ANY (ARRAY['none'::text, 'stripe'::text, 'webhook'::text]))),
  CONSTRAINT subscriptions_send_once EXCLUDE USING gist (customer_id WITH =, tstzrange(starts_at, COALESCE(ends_at, 'infinity'::timestamp with time zone)) WITH &&) WHERE (sends_meter_events),
  CONSTRAINT subscriptions_span_check CHECK (((ends_at IS NULL) OR (ends_at >= starts_at))),
  CONSTRAINT subscriptions_stripe_subscription_check CHECK (((stripe_subscription_id IS NULL) OR (provider = 'stripe'::text))),
  CONSTRAINT subscriptions_trial_check CHECK (((trial_ends_at IS NULL) OR (trial_ends_at > starts_at))),
  CONSTRAINT subscriptions_webhook_check CHECK (((provider = 'webhook'::text) = (webhook_endpoint_id IS NOT NULL))),
  CONSTRAINT subscriptions_webhook_endpoint_fkey FOREIGN KEY (webhook_endpoint_id) REFERENCES webhook_endpoints(id) ON DELETE RESTRICT
);

CREATE TABLE threshold_calms (
  customer_id text NOT NULL,
  grounds text NOT NULL,
  ends_at timestamp with time zone,
  CONSTRAINT threshold_calms_pkey PRIMARY KEY (customer_id)
);

CREATE TABLE threshold_crossings (
  id text NOT NULL,
  threshold_id text NOT NULL,
  customer_id text NOT NULL,
  scope text NOT NULL,
  subscription_id text,
  period_start timestamp with time zone,
  period_end timestamp with time zone,
  grouping_key text NOT NULL,
  level numeric NOT NULL,
  bound numeric NOT NULL,
  armed integer NOT NULL,
  state text NOT NULL,
  value_before numeric,
  value_after numeric NOT NULL,
  event jsonb,
  line_item_count integer,
  crossed_at timestamp with time zone NOT NULL,
  retracted_at timestamp with time zone,
  rearmed_at timestamp with time zone,
  CONSTRAINT threshold_crossings_customer_fkey FOREIGN KEY (customer_id) REFERENCES customers(id) ON DELETE RESTRICT,
  CONSTRAINT threshold_crossings_once UNIQUE (threshold_id, customer_id, scope, grouping_key, level, armed),
  CONSTRAINT threshold_crossings_pkey PRIMARY KEY (id),
  CONSTRAINT threshold_crossings_state_check CHECK (((state = ANY (ARRAY['passed'::text, 'crossed'::text, 'retracted'::text])) AND ((state = 'retracted'::text) = (retracted_at IS NOT NULL)) AND ((rearmed_at IS NULL) OR (state = 'retracted'::text)))),
  CONSTRAINT threshold_crossings_threshold_fkey FOREIGN KEY (threshold_id) REFERENCES thresholds(id) ON DELETE RESTRICT
);

CREATE TABLE threshold_cursors (
  is_only boolean NOT NULL DEFAULT true,
  subject_change_id bigint NOT NULL,
  CONSTRAINT threshold_cursors_only_check CHECK (is_only),
  CONSTRAINT threshold_cursors_pkey PRIMARY KEY (is_only)
);

CREATE TABLE threshold_dues (
  customer_id text NOT NULL,
  first_batch bigint,
  leased_batch bigint,
  revision bigint NOT NULL,
  leased_until timestamp with time zone,
  wakes_at timestamp with time zone,
  CONSTRAINT threshold_dues_pkey PRIMARY KEY (customer_id)
);

CREATE TABLE threshold_margins (
  meter integer NOT NULL,
  customer_id text NOT NULL,
  up numeric,
  down numeric,
  CONSTRAINT threshold_margins_pkey PRIMARY KEY (meter, customer_id)
);

CREATE TABLE threshold_values (
  threshold_id text NOT NULL,
  customer_id text NOT NULL,
  scope text NOT NULL,
  grouping_key text NOT NULL,
  value numeric NOT NULL,
  CONSTRAINT threshold_values_pkey PRIMARY KEY (threshold_id, customer_id, scope, grouping_key),
  CONSTRAINT threshold_values_threshold_fkey FOREIGN KEY (threshold_id) REFERENCES thresholds(id) ON DELETE RESTRICT
);

CREATE TABLE thresholds (
  id text NOT NULL,
  key text NOT NULL,
  name text NOT NULL,
  customer_id text,
  plan_id text,
  measure text NOT NULL,
  meter_id text,
  price_key text,
  group_by text[] NOT NULL,
  currency text,
  level_kind text NOT NULL,
  levels numeric[] NOT NULL,
  basis text NOT NULL,
  actions text[] NOT NULL,
  fires_at_creation boolean NOT NULL,
  created_batch bigint NOT NULL,
  created_at timestamp with time zone NOT NULL,
  archived_at timestamp with time zone,
  CONSTRAINT thresholds_actions_check CHECK (((cardinality(actions) > 0) AND (actions <@ ARRAY['notify'::text, 'bill'::text, 'suspend'::text]))),
  CONSTRAINT thresholds_basis_check CHECK ((basis = ANY (ARRAY['billing_period'::text, 'lifetime'::text]))),
  CONSTRAINT thresholds_customer_fkey FOREIGN KEY (customer_id) REFERENCES customers(id) ON DELETE RESTRICT,
  CONSTRAINT thresholds_key_unique UNIQUE (key),
  CONSTRAINT thresholds_level_kind_check CHECK ((level_kind = ANY (ARRAY['absolute'::text, 'percent'::text, 'every'::text]))),
  CONSTRAINT thresholds_levels_check CHECK (((cardinality(levels) > 0) AND ((level_kind <> 'every'::text) OR (cardinality(levels) = 1)))),
  CONSTRAINT thresholds_measure_check CHECK (
CASE measure
    WHEN 'quantity'::text THEN (((meter_id IS NULL) <> (price_key IS NULL)) AND (currency IS NULL))
    WHEN 'amount'::text THEN ((meter_id IS NULL) AND (currency IS NOT NULL) AND (group_by = '{}'::text[]))
    ELSE false
END),
  CONSTRAINT thresholds_meter_fkey FOREIGN KEY (meter_id) REFERENCES meters(id) ON DELETE RESTRICT,
  CONSTRAINT thresholds_pkey PRIMARY KEY (id),
  CONSTRAINT thresholds_plan_fkey FOREIGN KEY (plan_id) REFERENCES plans(id) ON DELETE RESTRICT
);

CREATE TABLE unattributed_dismissals (
  subject text NOT NULL,
  source text NOT NULL,
  dismissed_at timestamp with time zone NOT NULL,
  dismissed_by text NOT NULL,
  reason text NOT NULL,
  CONSTRAINT unattributed_dismissals_pkey PRIMARY KEY (subject, source)
);

CREATE TABLE unpaid_invoices (
  invoice_id text NOT NULL,
  customer_id text NOT NULL,
  past_due_at timestamp with time zone,
  is_written_off boolean NOT NULL,
  CONSTRAINT unpaid_invoices_customer_fkey FOREIGN KEY (customer_id) REFERENCES customers(id) ON DELETE RESTRICT,
  CONSTRAINT unpaid_invoices_invoice_fkey FOREIGN KEY (invoice_id) REFERENCES invoices(id) ON DELETE RESTRICT,
  CONSTRAINT unpaid_invoices_pkey PRIMARY KEY (invoice_id)
);

CREATE TABLE usage_backfills (
  meter integer NOT NULL,
  through_fold bigint NOT NULL,
  done_through_batch bigint NOT NULL,
  finished_at timestamp with time zone,
  CONSTRAINT usage_backfills_pkey PRIMARY KEY (meter)
);

CREATE TABLE usage_changes (
  number bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
  batches bigint[] NOT NULL,
  first_received_at timestamp with time zone NOT NULL,
  last_received_at timestamp with time zone NOT NULL,
  CONSTRAINT usage_changes_pkey PRIMARY KEY (number)
);

CREATE TABLE usage_changes_ahead (
  batch bigint NOT NULL,
  CONSTRAINT usage_changes_ahead_pkey PRIMARY KEY (batch)
);

CREATE TABLE usage_checks (
  id text NOT NULL,
  night date,
  checked_at timestamp with time zone NOT NULL,
  meter_count integer NOT NULL,
  hour_count integer NOT NULL,
  difference_count integer NOT NULL,
  differences jsonb NOT NULL,
  is_repaired boolean NOT NULL,
  CONSTRAINT usage_checks_night_unique UNIQUE (night),
  CONSTRAINT usage_checks_pkey PRIMARY KEY (id)
);

CREATE TABLE usage_corrections (
  batch_id bigint NOT NULL,
  received_at timestamp with time zone NOT NULL,
  sign smallint NOT NULL,
  source text NOT NULL,
  id text NOT NULL,
  type text NOT NULL,
  subject text NOT NULL,
  "time" timestamp with time zone NOT NULL,
  data jsonb NOT NULL,
  extensions jsonb,
  reason text NOT NULL,
  created_by text NOT NULL,
  CONSTRAINT usage_corrections_pkey PRIMARY KEY (source, id, batch_id, sign),
  CONSTRAINT usage_corrections_sign_check CHECK ((sign = ANY (ARRAY['-1'::integer, 1])))
);

CREATE TABLE usage_day_values (
  subject text NOT NULL,
  meter integer NOT NULL,
  day timestamp with time zone NOT NULL,
  groups text[] NOT NULL,
  day_values text[] NOT NULL,
  event_counts bigint[] NOT NULL,
  numbers double precision[],
  up_to bigint[],
  CONSTRAINT usage_day_values_numbers_check CHECK (((numbers IS NULL) = (up_to IS NULL))),
  CONSTRAINT usage_day_values_pkey PRIMARY KEY (meter, day, subject, groups)
);

CREATE TABLE usage_days (
  subject text NOT NULL,
  meter integer NOT NULL,
  day timestamp with time zone NOT NULL,
  groups text[] NOT NULL,
  event_count bigint NOT NULL,
  value_sum numeric NOT NULL,
  value numeric,
  last_time timestamp with time zone,
  first_time timestamp with time zone,
  level_sum numeric,
  CONSTRAINT usage_days_pkey PRIMARY KEY (meter, day, subject, groups)
);

CREATE TABLE usage_distinct_values (
  subject text NOT NULL,
  meter integer NOT NULL,
  hour timestamp with time zone NOT NULL,
  groups text[] NOT NULL,
  value text NOT NULL,
  event_count bigint NOT NULL,
  CONSTRAINT usage_distinct_values_pkey PRIMARY KEY (subject, meter, hour, groups, value)
);

CREATE TABLE usage_event_conflicts (
  id text NOT NULL,
  source text NOT NULL,
  event_id text NOT NULL,
  event jsonb NOT NULL,
  digest bigint NOT NULL,
  received_at timestamp with time zone NOT NULL,
  closed_as text,
  closed_at timestamp with time zone,
  closed_by text,
  CONSTRAINT usage_event_conflicts_closed_check CHECK (
CASE
    WHEN (closed_as IS NULL) THEN (num_nonnulls(closed_at, closed_by) = 0)
    ELSE ((closed_as = ANY (ARRAY['repaired'::text, 'dismissed'::text])) AND (num_nulls(closed_at, closed_by) = 0))
END),
  CONSTRAINT usage_event_conflicts_once UNIQUE (source, event_id, digest),
  CONSTRAINT usage_event_conflicts_pkey PRIMARY KEY (id)
);

CREATE TABLE usage_event_keys (
  key uuid NOT NULL,
  digest bigint NOT NULL,
  batch_id bigint NOT NULL,
  CONSTRAINT usage_event_keys_pkey PRIMARY KEY (key)
);

CREATE TABLE usage_events (
  batch_id bigint NOT NULL,
  received_at timestamp with time zone NOT NULL,
  source text NOT NULL,
  id text NOT NULL,
  type text NOT NULL,
  subject text NOT NULL,
  "time" timestamp with time zone NOT NULL,
  data jsonb NOT NULL,
  extensions jsonb
) PARTITION BY RANGE (received_at);

CREATE TABLE usage_failing_meters (
  meter integer NOT NULL,
  failing_since timestamp with time zone NOT NULL,
  error text NOT NULL,
  next_attempt_at timestamp with time zone NOT NULL,
  attempt_count integer NOT NULL,
  batch_limit integer NOT NULL,
  CONSTRAINT usage_failing_meters_limit_check CHECK ((batch_limit > 0)),
  CONSTRAINT usage_failing_meters_pkey PRIMARY KEY (meter)
);

CREATE TABLE usage_figures_before (
  subject text NOT NULL,
  digest numeric NOT NULL
);

CREATE TABLE usage_rebuilds (
  id text NOT NULL,
  meter_id text NOT NULL,
  starts_at timestamp with time zone NOT NULL,
  ends_at timestamp with time zone NOT NULL,
  subjects text[],
  done_to timestamp with time zone NOT NULL,
  step_hours integer NOT NULL,
  event_count bigint NOT NULL,
  started_at timestamp with time zone,
  finished_at timestamp with time zone,
  created_at timestamp with time zone NOT NULL,
  created_by text NOT NULL,
  failure_count integer NOT NULL DEFAULT 0,
  failing_since timestamp with time zone,
  error text,
  next_attempt_at timestamp with time zone,
  CONSTRAINT usage_rebuilds_failing_check CHECK ((((failure_count > 0) = (failing_since IS NOT NULL)) AND ((failure_count > 0) = (error IS NOT NULL)) AND ((failure_count > 0) = (next_attempt_at IS NOT NULL)))),
  CONSTRAINT usage_rebuilds_finished_check CHECK (((finished_at IS NULL) OR ((started_at IS NOT NULL) AND (done_to = ends_at)))),
  CONSTRAINT usage_rebuilds_meter_fkey FOREIGN KEY (meter_id) REFERENCES meters(id) ON DELETE RESTRICT,
  CONSTRAINT usage_rebuilds_pkey PRIMARY KEY (id),
  CONSTRAINT usage_rebuilds_span_check CHECK (((starts_at <= done_to) AND (done_to <= ends_at) AND (step_hours > 0)))
);

CREATE TABLE usage_remakes (
  id bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
  wanted_by text NOT NULL,
  subjects text[] NOT NULL,
  starts_at timestamp with time zone NOT NULL,
  ends_at timestamp with time zone NOT NULL,
  made_at timestamp with time zone NOT NULL,
  taken_at timestamp with time zone,
  CONSTRAINT usage_remakes_pkey PRIMARY KEY (id),
  CONSTRAINT usage_remakes_wanted_by_check CHECK ((wanted_by = ANY (ARRAY['late_usage'::text, 'thresholds'::text]))),
  CONSTRAINT usage_remakes_window_check CHECK ((starts_at < ends_at))
);

CREATE TABLE usage_report_runs (
  id text NOT NULL,
  usage_report_id text NOT NULL,
  slot_at timestamp with time zone NOT NULL,
  missed_from timestamp with time zone,
  started_at timestamp with time zone NOT NULL,
  last_period_id text,
  message_count integer NOT NULL,
  finished_at timestamp with time zone,
  CONSTRAINT usage_report_runs_once UNIQUE (usage_report_id, slot_at),
  CONSTRAINT usage_report_runs_pkey PRIMARY KEY (id),
  CONSTRAINT usage_report_runs_report_fkey FOREIGN KEY (usage_report_id) REFERENCES usage_reports(id) ON DELETE RESTRICT
);

CREATE TABLE usage_report_totals (
  usage_report_id text NOT NULL,
  billing_period_id text NOT NULL,
  run_id text NOT NULL,
  message_id text NOT NULL,
  revision integer NOT NULL,
  lines jsonb NOT NULL,
  is_final boolean NOT NULL,
  CONSTRAINT usage_report_totals_period_fkey FOREIGN KEY (billing_period_id) REFERENCES billing_periods(id) ON DELETE CASCADE,
  CONSTRAINT usage_report_totals_pkey PRIMARY KEY (usage_report_id, billing_period_id),
  CONSTRAINT usage_report_totals_report_fkey FOREIGN KEY (usage_report_id) REFERENCES usage_reports(id) ON DELETE RESTRICT,
  CONSTRAINT usage_report_totals_run_fkey FOREIGN KEY (run_id) REFERENCES usage_report_runs(id) ON DELETE RESTRICT
);

CREATE TABLE usage_reports (
  id text NOT NULL,
  name text NOT NULL,
  customer_id text,
  plan_id text,
  schedule text NOT NULL,
  cron text NOT NULL,
  time_zone text NOT NULL,
  webhook_endpoint_id text,
  created_at timestamp with time zone NOT NULL,
  next_slot_at timestamp with time zone,
  archived_at timestamp with time zone,
  CONSTRAINT usage_reports_archived_check CHECK (((archived_at IS NULL) OR (next_slot_at IS NULL))),
  CONSTRAINT usage_reports_customer_fkey FOREIGN KEY (customer_id) REFERENCES customers(id) ON DELETE RESTRICT,
  CONSTRAINT usage_reports_endpoint_fkey FOREIGN KEY (webhook_endpoint_id) REFERENCES webhook_endpoints(id) ON DELETE RESTRICT,
  CONSTRAINT usage_reports_pkey PRIMARY KEY (id),
  CONSTRAINT usage_reports_plan_fkey FOREIGN KEY (plan_id) REFERENCES plans(id) ON DELETE RESTRICT,
  CONSTRAINT usage_reports_schedule_check CHECK ((schedule = ANY (ARRAY['hourly'::text, 'daily'::text, 'cron'::text]))),
  CONSTRAINT usage_reports_subject_check CHECK (((customer_id IS NULL) <> (plan_id IS NULL)))
);

CREATE TABLE usage_rollups (
  subject text NOT NULL,
  meter integer NOT NULL,
  hour timestamp with time zone NOT NULL,
  groups text[] NOT NULL,
  event_count bigint NOT NULL,
  value_sum numeric NOT NULL,
  value numeric,
  first_time timestamp with time zone,
  last_time timestamp with time zone,
  level_sum numeric,
  is_corrected boolean NOT NULL DEFAULT false,
  CONSTRAINT usage_rollups_pkey PRIMARY KEY (subject, meter, hour, groups)
);

CREATE TABLE usage_summed_days (
  meter integer NOT NULL,
  day timestamp with time zone NOT NULL,
  is_summed boolean NOT NULL,
  has_values boolean NOT NULL DEFAULT false,
  has_numbers boolean NOT NULL DEFAULT false,
  until timestamp with time zone,
  is_too_large boolean NOT NULL DEFAULT false,
  CONSTRAINT usage_summed_days_pkey PRIMARY KEY (meter, day)
);

CREATE TABLE usage_unfolded_batches (
  meter integer NOT NULL,
  batch_id bigint NOT NULL,
  attempt_count integer NOT NULL,
  CONSTRAINT usage_unfolded_batches_pkey PRIMARY KEY (meter, batch_id)
);

CREATE TABLE webhook_attempts (
  id text NOT NULL,
  delivery_id text NOT NULL,
  number integer NOT NULL,
  started_at timestamp with time zone NOT NULL,
  duration_ms integer,
  outcome text NOT NULL,
  status integer,
  error text,
  detail text,
  response text,
  address text,
  response_headers jsonb,
  CONSTRAINT webhook_attempts_delivery_fkey FOREIGN KEY (delivery_id) REFERENCES webhook_deliveries(id) ON DELETE CASCADE,
  CONSTRAINT webhook_attempts_end_check CHECK (((duration_ms IS NULL) = (outcome = 'unknown'::text))),
  CONSTRAINT webhook_attempts_number_unique UNIQUE (delivery_id, number),
  CONSTRAINT webhook_attempts_outcome_check CHECK ((outcome = ANY (ARRAY['succeeded'::text, 'failed'::text, 'unknown'::text]))),
  CONSTRAINT webhook_attempts_pkey PRIMARY KEY (id)
);

CREATE TABLE webhook_deliveries (
  id text NOT NULL,
  message_id text NOT NULL,
  endpoint_id text NOT NULL,
  state text NOT NULL,
  attempt_count integer NOT NULL,
  next_attempt_at timestamp with time zone,
  lease_token uuid,
  leased_until timestamp with time zone,
  created_at timestamp with time zone NOT NULL,
  finished_at timestamp with time zone,
  message_sequence bigint,
  replay_id text,
  CONSTRAINT webhook_deliveries_endpoint_fkey FOREIGN KEY (endpoint_id) REFERENCES webhook_endpoints(id) ON DELETE RESTRICT,
  CONSTRAINT webhook_deliveries_lease_check CHECK (((lease_token IS NULL) = (leased_until IS NULL))),
  CONSTRAINT webhook_deliveries_message_fkey FOREIGN KEY (message_id) REFERENCES webhook_messages(id) ON DELETE RESTRICT,
  CONSTRAINT webhook_deliveries_once UNIQUE NULLS NOT DISTINCT (message_id, endpoint_id, replay_id),
  CONSTRAINT webhook_deliveries_pkey PRIMARY KEY (id),
  CONSTRAINT webhook_deliveries_replay_fkey FOREIGN KEY (replay_id) REFERENCES webhook_replays(id) ON DELETE RESTRICT,
  CONSTRAINT webhook_deliveries_state_check CHECK ((((state = 'pending'::text) AND (next_attempt_at IS NOT NULL) AND (lease_token IS NULL) AND (finished_at IS NULL)) OR ((state = 'sending'::text) AND (next_attempt_at IS NULL) AND (lease_token IS NOT NULL) AND (finished_at IS NULL)) OR ((state = ANY (ARRAY['succeeded'::text, 'failed'::text])) AND (next_attempt_at IS NULL) AND (lease_token IS NULL) AND (finished_at IS NOT NULL))))
);

CREATE TABLE webhook_endpoints (
  id text NOT NULL,
  url text NOT NULL,
  types text[] NOT NULL,
  description text NOT NULL,
  secret text NOT NULL,
  created_at timestamp with time zone NOT NULL,
  disabled_at timestamp with time zone,
  disabled_reason text,
  deleted_at timestamp with time zone,
  retry_waits_seconds integer[],
  max_concurrency integer NOT NULL DEFAULT 5,
  max_per_second integer,
  is_ordered boolean NOT NULL DEFAULT false,
  headers jsonb NOT NULL DEFAULT '{}'::jsonb,
  previous_secret text,
  previous_secret_until timestamp with time zone,
  failing_since timestamp with time zone,
  last_failed_at timestamp with time zone,
  failure_count integer NOT NULL DEFAULT 0,
  warned_percent integer NOT NULL DEFAULT 0,
  held_until timestamp with time zone,
  paced_until timestamp with time zone,
  missed_from timestamp with time zone,
  CONSTRAINT webhook_endpoints_concurrency_check CHECK (((max_concurrency >= 1) AND (max_concurrency <= 100))),
  CONSTRAINT webhook_endpoints_disabled_check CHECK (((disabled_at IS NULL) = (disabled_reason IS NULL))),
  CONSTRAINT webhook_endpoints_failing_check CHECK ((((failing_since IS NULL) = (failure_count = 0)) AND ((failing_since IS NULL) = (last_failed_at IS NULL)))),
  CONSTRAINT webhook_endpoints_pkey PRIMARY KEY (id),
  CONSTRAINT webhook_endpoints_previous_check CHECK (((previous_secret IS NULL) = (previous_secret_until IS NULL))),
  CONSTRAINT webhook_endpoints_rate_check CHECK (((max_per_second >= 1) AND (max_per_second <= 1000))),
  CONSTRAINT webhook_endpoints_reason_check CHECK ((disabled_reason = ANY (ARRAY['requested'::text, 'gone'::text, 'receiver'::text, 'failing'::text])))
);

CREATE TABLE webhook_messages (
  id text NOT NULL,
  sequence bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
  type text NOT NULL,
  body text NOT NULL,
  created_at timestamp with time zone NOT NULL,
  "position" bigint,
  customer text,
  endpoint_id text,
  is_test boolean NOT NULL DEFAULT false,
  CONSTRAINT webhook_messages_endpoint_fkey FOREIGN KEY (endpoint_id) REFERENCES webhook_endpoints(id) ON DELETE RESTRICT,
  CONSTRAINT webhook_messages_pkey PRIMARY KEY (id),
  CONSTRAINT webhook_messages_position_unique UNIQUE ("position"),
  CONSTRAINT webhook_messages_sequence_unique UNIQUE (sequence)
);

CREATE TABLE webhook_replays (
  id text NOT NULL,
  endpoint_id text NOT NULL,
  scope text NOT NULL,
  message_ids text[],
  types text[] NOT NULL,
  customer text,
  from_at timestamp with time zone,
  to_at timestamp with time zone,
  per_second integer NOT NULL,
  state text NOT NULL,
  from_position bigint,
  "position" bigint,
  until_position bigint,
  total_count bigint,
  queued_count bigint NOT NULL,
  next_step_at timestamp with time zone NOT NULL,
  created_at timestamp with time zone NOT NULL,
  created_by text NOT NULL,
  finished_at timestamp with time zone,
  CONSTRAINT webhook_replays_begun_check CHECK ((num_nulls(from_position, "position", until_position, total_count) = ANY (ARRAY[0, 4]))),
  CONSTRAINT webhook_replays_endpoint_fkey FOREIGN KEY (endpoint_id) REFERENCES webhook_endpoints(id) ON DELETE RESTRICT,
  CONSTRAINT webhook_replays_finished_check CHECK (((state = 'running'::text) = (finished_at IS NULL))),
  CONSTRAINT webhook_replays_pkey PRIMARY KEY (id),
  CONSTRAINT webhook_replays_scope_check CHECK ((scope = ANY (ARRAY['all'::text, 'undelivered'::text, 'failed'::text]))),
  CONSTRAINT webhook_replays_state_check CHECK ((state = ANY (ARRAY['running'::text, 'completed'::text, 'cancelled'::text])))
);

CREATE TABLE webhook_retention (
  id boolean NOT NULL DEFAULT true,
  deleted_position bigint NOT NULL,
  CONSTRAINT webhook_retention_one_row CHECK (id),
  CONSTRAINT webhook_retention_pkey PRIMARY KEY (id)
);

CREATE INDEX announced_counts_due ON public.announced_counts USING btree (check_at) WHERE ((check_at IS NOT NULL) AND (replaced_at IS NULL));
CREATE INDEX announced_counts_source ON public.announced_counts USING btree (source_id, id);
CREATE INDEX announced_counts_unsettled ON public.announced_counts USING btree (ends_at) WHERE ((replaced_at IS NULL) AND ((check_at IS NOT NULL) OR (told_missing IS NOT NULL)));
CREATE UNIQUE INDEX announced_counts_window ON public.announced_counts USING btree (source_id, starts_at, ends_at) WHERE (replaced_at IS NULL);
CREATE INDEX api_keys_source ON public.api_keys USING btree (source_id, id) WHERE (source_id IS NOT NULL);
CREATE INDEX billing_periods_closed_end ON public.billing_periods USING btree (ends_at) WHERE (state = 'closed'::text);
CREATE INDEX billing_periods_due ON public.billing_periods USING btree (closes_at) WHERE (state = 'open'::text);
CREATE INDEX billing_periods_fees_due ON public.billing_periods USING btree (fees_due_at) WHERE (fees_due_at IS NOT NULL);
CREATE INDEX billing_periods_late ON public.billing_periods USING btree (subscription_id) WHERE (late_since IS NOT NULL);
CREATE INDEX billing_periods_plan_version ON public.billing_periods USING btree (plan_version_id, id);
CREATE INDEX billing_periods_unwatched ON public.billing_periods USING btree (cut_off_batch) WHERE ((state = 'closed'::text) AND (NOT is_watched));
CREATE INDEX customer_standings_due ON public.customer_standings USING btree (next_change_at) WHERE (next_change_at IS NOT NULL);
CREATE INDEX customer_standings_standing ON public.customer_standings USING btree (standing, customer_id) WHERE (standing <> 'good'::text);
CREATE INDEX customer_subject_changes_open ON public.customer_subject_changes USING btree (id) WHERE (taken_at IS NULL);
CREATE INDEX customer_subjects_customer ON public.customer_subjects USING btree (customer_id);
CREATE INDEX customer_suspensions_customer ON public.customer_suspensions USING btree (customer_id);
CREATE INDEX draft_queues_due ON public.draft_queues USING btree (next_look_at) WHERE (next_look_at IS NOT NULL);
CREATE INDEX external_line_items_invoice ON public.external_line_items USING btree (invoice_id);
CREATE INDEX external_line_items_waiting ON public.external_line_items USING btree (line_item_id) WHERE (acknowledged_at IS NULL);
CREATE INDEX idempotency_keys_created ON public.idempotency_keys USING btree (created_at);
CREATE INDEX ingest_batches_pending ON public.ingest_batches USING btree (id) WHERE (fold IS NULL);
CREATE INDEX invoices_billing_period ON public.invoices USING btree (billing_period_id);
CREATE INDEX invoices_created ON public.invoices USING btree (created_at, id);
CREATE INDEX invoices_customer ON public.invoices USING btree (customer_id, id);
CREATE INDEX late_usage_billing_period ON public.late_usage USING btree (billing_period_id, id);
CREATE UNIQUE INDEX late_usage_open ON public.late_usage USING btree (billing_period_id) WHERE (state = ANY (ARRAY['unbilled'::text, 'held'::text]));
CREATE INDEX late_usage_to_bill ON public.late_usage USING btree (subscription_id) WHERE (state = 'to_bill'::text);
CREATE INDEX line_items_customer ON public.line_items USING btree (customer_id, id);
CREATE INDEX line_items_invoice ON public.line_items USING btree (invoice_id);
CREATE INDEX line_items_subscription ON public.line_items USING btree (subscription_id, id);
CREATE INDEX meter_event_streams_customer ON public.meter_event_streams USING btree (customer_id, id);
CREATE INDEX meter_event_streams_due ON public.meter_event_streams USING btree (next_attempt_at) WHERE (next_attempt_at IS NOT NULL);
CREATE INDEX meter_events_failed ON public.meter_events USING btree (stream_id) WHERE (state = 'failed'::text);
CREATE UNIQUE INDEX meter_events_one_at_a_time ON public.meter_events USING btree (stream_id) WHERE (state = ANY (ARRAY['sent'::text, 'cancelling'::text]));
CREATE UNIQUE INDEX plan_versions_default_unique ON public.plan_versions USING btree (plan_id, version) WHERE is_default;
CREATE INDEX provider_events_due ON public.provider_events USING btree (next_attempt_at) WHERE (state = 'pending'::text);
CREATE INDEX provider_events_pending_object ON public.provider_events USING btree (object_id) WHERE (state = 'pending'::text);
CREATE INDEX provider_events_received ON public.provider_events USING btree (received_at, id);
CREATE UNIQUE INDEX provider_events_told_once ON public.provider_events USING btree (COALESCE(snapshot_event_id, id)) WHERE (state <> 'ignored'::text);
CREATE INDEX provider_syncs_due ON public.provider_syncs USING btree (next_attempt_at) WHERE (state = 'pending'::text);
CREATE INDEX provider_syncs_line_item ON public.provider_syncs USING btree (line_item_id) WHERE (line_item_id IS NOT NULL);
CREATE INDEX provider_syncs_pending ON public.provider_syncs USING btree (customer_id, invoice_id, "position") WHERE (state = 'pending'::text);
CREATE INDEX quarantined_values_subject_time ON public.quarantined_values USING btree (subject, "time") WHERE (dismissed_at IS NULL);
CREATE INDEX reconciliation_differences_listed ON public.reconciliation_differences USING btree (reconciliation_id, id);
CREATE INDEX reconciliation_differences_queued ON public.reconciliation_differences USING btree (reconciliation_id, rank) WHERE (state = 'queued'::text);
CREATE INDEX reconciliation_sightings_invoice ON public.reconciliation_sightings USING btree (reconciliation_id, invoice_id);
CREATE UNIQUE INDEX reconciliations_running ON public.reconciliations USING btree (starts_at, ends_at) WHERE (state = 'running'::text);
CREATE INDEX rejected_usage_events_open ON public.rejected_usage_events USING btree (id) WHERE (closed_as IS NULL);
CREATE INDEX sequence_gaps_closed ON public.sequence_gaps USING btree (id) WHERE isempty(missing);
CREATE INDEX sequence_gaps_counter ON public.sequence_gaps USING btree (source_id, counter, id);
CREATE INDEX sequence_gaps_open ON public.sequence_gaps USING btree (found_at) WHERE (NOT isempty(missing));
CREATE INDEX sequence_gaps_source ON public.sequence_gaps USING btree (source_id, id);
CREATE INDEX sequence_gaps_waiting ON public.sequence_gaps USING btree (found_at) WHERE (told_at IS NULL);
CREATE INDEX stripe_customer_links_customer ON public.stripe_customer_links USING btree (customer_id, id);
CREATE UNIQUE INDEX stripe_customer_links_pending ON public.stripe_customer_links USING btree (customer_id) WHERE (state = 'pending'::text);
CREATE INDEX stripe_drafts_due ON public.stripe_drafts USING btree (check_at) WHERE (check_at IS NOT NULL);
CREATE INDEX subscriptions_stripe_subscription ON public.subscriptions USING btree (stripe_subscription_id) WHERE (stripe_subscription_id IS NOT NULL);
CREATE INDEX threshold_crossings_customer ON public.threshold_crossings USING btree (customer_id, id);
CREATE INDEX threshold_crossings_threshold ON public.threshold_crossings USING btree (threshold_id, id);
CREATE INDEX thresholds_customer ON public.thresholds USING btree (customer_id) WHERE (archived_at IS NULL);
CREATE INDEX thresholds_plan ON public.thresholds USING btree (plan_id) WHERE (archived_at IS NULL);
CREATE INDEX unpaid_invoices_customer ON public.unpaid_invoices USING btree (customer_id);
CREATE INDEX usage_corrections_batch ON public.usage_corrections USING btree (batch_id);
CREATE INDEX usage_corrections_subject_time ON public.usage_corrections USING btree (subject, "time");
CREATE INDEX usage_day_values_subject ON public.usage_day_values USING btree (subject, meter, day);
CREATE INDEX usage_days_figures ON public.usage_days USING btree (subject, meter, day) INCLUDE (groups, event_count, value_sum, value, first_time, last_time, level_sum);
CREATE INDEX usage_distinct_values_meter_hour ON public.usage_distinct_values USING btree (meter, hour);
CREATE INDEX usage_event_conflicts_open ON public.usage_event_conflicts USING btree (id) WHERE (closed_as IS NULL);
CREATE INDEX usage_event_conflicts_subject ON public.usage_event_conflicts USING btree (((event ->> 'subject'::text))) WHERE (closed_as IS NULL);
CREATE INDEX usage_events_batch ON ONLY public.usage_events USING btree (batch_id);
CREATE INDEX usage_events_sequence ON ONLY public.usage_events USING btree (source, "left"((extensions ->> 'sequence_key'::text), 300) COLLATE "C") WHERE (extensions ? 'sequence_key'::text);
CREATE INDEX usage_events_subject_time ON ONLY public.usage_events USING btree (subject, "time");
CREATE INDEX usage_events_time ON ONLY public.usage_events USING brin ("time") WITH (autosummarize='on');
CREATE INDEX usage_rebuilds_open ON public.usage_rebuilds USING btree (id) WHERE (finished_at IS NULL);
CREATE INDEX usage_report_runs_report ON public.usage_report_runs USING btree (usage_report_id, id);
CREATE INDEX usage_report_runs_unfinished ON public.usage_report_runs USING btree (usage_report_id, slot_at) WHERE (finished_at IS NULL);
CREATE INDEX usage_reports_due ON public.usage_reports USING btree (next_slot_at) WHERE (next_slot_at IS NOT NULL);
CREATE INDEX usage_rollups_meter_hour ON public.usage_rollups USING btree (meter, hour);
CREATE INDEX webhook_attempts_started ON public.webhook_attempts USING btree (started_at);
CREATE INDEX webhook_deliveries_due ON public.webhook_deliveries USING btree (endpoint_id, next_attempt_at, id) WHERE (state = 'pending'::text);
CREATE INDEX webhook_deliveries_endpoint ON public.webhook_deliveries USING btree (endpoint_id, id);
CREATE INDEX webhook_deliveries_failed ON public.webhook_deliveries USING btree (id) WHERE (state = 'failed'::text);
CREATE INDEX webhook_deliveries_in_order ON public.webhook_deliveries USING btree (endpoint_id, message_sequence NULLS FIRST, id) WHERE (state = 'pending'::text);
CREATE INDEX webhook_deliveries_leased ON public.webhook_deliveries USING btree (endpoint_id, leased_until) WHERE (state = 'sending'::text);
CREATE INDEX webhook_deliveries_replay ON public.webhook_deliveries USING btree (replay_id) WHERE (replay_id IS NOT NULL);
CREATE INDEX webhook_deliveries_replayed ON public.webhook_deliveries USING btree (replay_id) WHERE ((replay_id IS NOT NULL) AND (state = ANY (ARRAY['pending'::text, 'sending'::text])));
CREATE INDEX webhook_messages_created ON public.webhook_messages USING btree (created_at);
CREATE INDEX webhook_messages_customer ON public.webhook_messages USING btree (customer, "position") WHERE (customer IS NOT NULL);
CREATE INDEX webhook_messages_type ON public.webhook_messages USING btree (type, "position");
CREATE INDEX webhook_messages_unplaced ON public.webhook_messages USING btree (sequence) WHERE ("position" IS NULL);
CREATE UNIQUE INDEX webhook_replays_running ON public.webhook_replays USING btree (endpoint_id) WHERE (state = 'running'::text);
