REVOKE CREATE ON SCHEMA public FROM PUBLIC;;

GRANT USAGE ON SCHEMA public TO stempel_app, stempel_system;;

CREATE TABLE apple_device_registration (
	device_id TEXT NOT NULL, 
	pass_type TEXT NOT NULL, 
	pass_serial TEXT NOT NULL, 
	push_token TEXT NOT NULL, 
	updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL, 
	merchant_id UUID NOT NULL, 
	id UUID NOT NULL, 
	CONSTRAINT pk_apple_device_registration PRIMARY KEY (merchant_id, id)
);;

CREATE INDEX ix_apple_device_registration_device_id_pass_type ON apple_device_registration (device_id, pass_type);;

CREATE INDEX ix_apple_device_registration_merchant_id_pass_serial ON apple_device_registration (merchant_id, pass_serial);;

CREATE UNIQUE INDEX uq_apple_registration ON apple_device_registration (merchant_id, device_id, pass_type, pass_serial);;

CREATE TABLE apple_health (
	name TEXT NOT NULL, 
	reason TEXT NOT NULL, 
	since TIMESTAMP WITH TIME ZONE NOT NULL, 
	until TIMESTAMP WITH TIME ZONE NOT NULL, 
	CONSTRAINT pk_apple_health PRIMARY KEY (name)
);;

CREATE TABLE backup_run (
	id UUID NOT NULL, 
	started_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	finished_at TIMESTAMP WITH TIME ZONE, 
	verified_at TIMESTAMP WITH TIME ZONE, 
	file TEXT NOT NULL, 
	size_bytes BIGINT DEFAULT '0' NOT NULL, 
	row_count BIGINT DEFAULT '0' NOT NULL, 
	refused TEXT, 
	CONSTRAINT pk_backup_run PRIMARY KEY (id)
);;

CREATE INDEX ix_backup_run_started_at ON backup_run (started_at);;

CREATE TABLE card_refresh (
	merchant_id UUID NOT NULL, 
	pass_id UUID NOT NULL, 
	marked_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL, 
	CONSTRAINT pk_card_refresh PRIMARY KEY (merchant_id, pass_id)
);;

CREATE TABLE google_pace (
	issuer_id TEXT NOT NULL, 
	next_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	failures BIGINT DEFAULT '0' NOT NULL, 
	paused_until TIMESTAMP WITH TIME ZONE, 
	fault TEXT, 
	last_fault TEXT, 
	last_fault_at TIMESTAMP WITH TIME ZONE, 
	CONSTRAINT pk_google_pace PRIMARY KEY (issuer_id)
);;

CREATE TABLE key_check (
	name TEXT NOT NULL, 
	value BYTEA NOT NULL, 
	CONSTRAINT pk_key_check PRIMARY KEY (name)
);;

CREATE TABLE lookup (
	kind TEXT NOT NULL, 
	key TEXT NOT NULL, 
	merchant_id UUID NOT NULL, 
	target_id UUID NOT NULL, 
	CONSTRAINT pk_lookup PRIMARY KEY (kind, key)
);;

CREATE TABLE mail_day (
	merchant_id UUID NOT NULL, 
	day DATE NOT NULL, 
	sent BIGINT DEFAULT '0' NOT NULL, 
	CONSTRAINT pk_mail_day PRIMARY KEY (merchant_id, day)
);;

CREATE TABLE mail_pace (
	key TEXT NOT NULL, 
	next_at TIMESTAMP WITH TIME ZONE, 
	failures BIGINT DEFAULT '0' NOT NULL, 
	down_since TIMESTAMP WITH TIME ZONE, 
	probe_at TIMESTAMP WITH TIME ZONE, 
	CONSTRAINT pk_mail_pace PRIMARY KEY (key)
);;

CREATE TABLE mail_suppression (
	merchant_id UUID NOT NULL, 
	address_mac BYTEA NOT NULL, 
	reason TEXT, 
	soft_bounces BIGINT DEFAULT '0' NOT NULL, 
	at TIMESTAMP WITH TIME ZONE NOT NULL, 
	CONSTRAINT pk_mail_suppression PRIMARY KEY (merchant_id, address_mac), 
	CONSTRAINT ck_mail_suppression_reason CHECK (reason IN ('bounced', 'complained'))
);;

CREATE TABLE member_link (
	kind TEXT NOT NULL, 
	member_id UUID NOT NULL, 
	token_hash BYTEA NOT NULL, 
	email TEXT, 
	session_id UUID, 
	expires_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	used_at TIMESTAMP WITH TIME ZONE, 
	merchant_id UUID NOT NULL, 
	id UUID NOT NULL, 
	CONSTRAINT pk_member_link PRIMARY KEY (merchant_id, id), 
	CONSTRAINT ck_member_link_kind_known CHECK (kind IN ('reset', 'email', 'alarm'))
);;

CREATE INDEX ix_member_link_expires_at ON member_link (expires_at);;

CREATE TABLE merchant (
	id UUID NOT NULL, 
	name TEXT NOT NULL, 
	email TEXT NOT NULL, 
	password_hash TEXT NOT NULL, 
	created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL, 
	slug TEXT NOT NULL, 
	locale TEXT DEFAULT 'en' NOT NULL, 
	time_zone TEXT NOT NULL, 
	currency TEXT NOT NULL, 
	branding JSONB DEFAULT '{}' NOT NULL, 
	modules_on TEXT[] DEFAULT '{}' NOT NULL, 
	feature_rules JSONB DEFAULT '{}' NOT NULL, 
	owner_id UUID NOT NULL, 
	owner_name TEXT DEFAULT '' NOT NULL, 
	CONSTRAINT pk_merchant PRIMARY KEY (id)
);;

CREATE TABLE operator (
	id UUID NOT NULL, 
	name TEXT NOT NULL, 
	password_hash TEXT NOT NULL, 
	sealed_secret BYTEA NOT NULL, 
	last_step BIGINT, 
	created_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	confirmed_at TIMESTAMP WITH TIME ZONE, 
	last_signed_in_at TIMESTAMP WITH TIME ZONE, 
	CONSTRAINT pk_operator PRIMARY KEY (id)
);;

CREATE UNIQUE INDEX uq_operator_name ON operator (name);;

CREATE TABLE operator_entry (
	id UUID NOT NULL, 
	operator_name TEXT NOT NULL, 
	action TEXT NOT NULL, 
	facts JSONB DEFAULT '{}' NOT NULL, 
	at TIMESTAMP WITH TIME ZONE NOT NULL, 
	CONSTRAINT pk_operator_entry PRIMARY KEY (id)
);;

CREATE INDEX ix_operator_entry_at_id ON operator_entry (at, id);;

CREATE TABLE operator_session (
	id UUID NOT NULL, 
	operator_id UUID NOT NULL, 
	token_hash BYTEA NOT NULL, 
	browser TEXT NOT NULL, 
	created_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	last_seen_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	expires_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	revoked_at TIMESTAMP WITH TIME ZONE, 
	CONSTRAINT pk_operator_session PRIMARY KEY (id)
);;

CREATE INDEX ix_operator_session_expires_at ON operator_session (expires_at);;

CREATE INDEX ix_operator_session_operator_id ON operator_session (operator_id);;

CREATE TABLE outbox_message (
	customer_id UUID, 
	kind TEXT NOT NULL, 
	purpose TEXT DEFAULT 'service' NOT NULL, 
	channel TEXT DEFAULT 'mail' NOT NULL, 
	recipient TEXT, 
	locale TEXT NOT NULL, 
	content BYTEA, 
	once_key TEXT, 
	status TEXT DEFAULT 'waiting' NOT NULL, 
	failure TEXT, 
	attempts BIGINT DEFAULT '0' NOT NULL, 
	created_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	not_before TIMESTAMP WITH TIME ZONE, 
	claimed_at TIMESTAMP WITH TIME ZONE, 
	sent_at TIMESTAMP WITH TIME ZONE, 
	facts JSONB DEFAULT '{}' NOT NULL, 
	merchant_id UUID NOT NULL, 
	id UUID NOT NULL, 
	CONSTRAINT pk_outbox_message PRIMARY KEY (merchant_id, id), 
	CONSTRAINT ck_outbox_message_status CHECK (status IN ('waiting', 'sending', 'sent', 'failed', 'suppressed', 'bounced', 'complained')), 
	CONSTRAINT ck_outbox_message_purpose CHECK (purpose IN ('service', 'marketing'))
);;

CREATE INDEX ix_outbox_message_created_at ON outbox_message (created_at);;

CREATE INDEX ix_outbox_message_merchant_id_customer_id ON outbox_message (merchant_id, customer_id);;

CREATE UNIQUE INDEX uq_outbox_once ON outbox_message (merchant_id, once_key);;

CREATE TABLE passkey_challenge (
	challenge_hash BYTEA NOT NULL, 
	bound_to BYTEA NOT NULL, 
	expires_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	CONSTRAINT pk_passkey_challenge PRIMARY KEY (challenge_hash)
);;

CREATE INDEX ix_passkey_challenge_expires_at ON passkey_challenge (expires_at);;

CREATE TABLE rollup_pending (
	merchant_id UUID NOT NULL, 
	pass_id UUID NOT NULL, 
	at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL, 
	CONSTRAINT pk_rollup_pending PRIMARY KEY (merchant_id, pass_id)
);;

CREATE TABLE sign_in_limit (
	kind TEXT NOT NULL, 
	key BYTEA NOT NULL, 
	window_start TIMESTAMP WITH TIME ZONE NOT NULL, 
	attempts BIGINT NOT NULL, 
	CONSTRAINT pk_sign_in_limit PRIMARY KEY (kind, key)
);;

CREATE INDEX ix_sign_in_limit_window_start ON sign_in_limit (window_start);;

CREATE TABLE sign_up (
	merchant_id UUID NOT NULL, 
	token_hash BYTEA NOT NULL, 
	browser_hash BYTEA NOT NULL, 
	name TEXT NOT NULL, 
	email TEXT NOT NULL, 
	password_hash TEXT NOT NULL, 
	locale TEXT NOT NULL, 
	expires_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	invitation_id UUID, 
	CONSTRAINT pk_sign_up PRIMARY KEY (merchant_id)
);;

CREATE INDEX ix_sign_up_expires_at ON sign_up (expires_at);;

CREATE TABLE sign_up_invitation (
	id UUID NOT NULL, 
	form_hash BYTEA NOT NULL, 
	token_hash BYTEA NOT NULL, 
	note TEXT NOT NULL, 
	made_by TEXT NOT NULL, 
	created_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	expires_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	used_at TIMESTAMP WITH TIME ZONE, 
	withdrawn_at TIMESTAMP WITH TIME ZONE, 
	merchant_id UUID, 
	CONSTRAINT pk_sign_up_invitation PRIMARY KEY (id)
);;

CREATE UNIQUE INDEX uq_sign_up_invitation_form_hash ON sign_up_invitation (form_hash);;

CREATE TABLE tier_level (
	name TEXT NOT NULL, 
	threshold BIGINT NOT NULL, 
	multiplier NUMERIC(4, 2) DEFAULT '1' NOT NULL, 
	perks TEXT DEFAULT '' NOT NULL, 
	entry_points BIGINT DEFAULT '0' NOT NULL, 
	entry_stamps BIGINT DEFAULT '0' NOT NULL, 
	removed_at TIMESTAMP WITH TIME ZONE, 
	merchant_id UUID NOT NULL, 
	id UUID NOT NULL, 
	CONSTRAINT pk_tier_level PRIMARY KEY (merchant_id, id), 
	CONSTRAINT ck_tier_level_threshold CHECK (threshold >= 0)
);;

CREATE UNIQUE INDEX ix_tier_level_merchant_id_threshold ON tier_level (merchant_id, threshold) WHERE removed_at IS NULL;;

CREATE TABLE update_counter (
	name TEXT NOT NULL, 
	value BIGINT NOT NULL, 
	CONSTRAINT pk_update_counter PRIMARY KEY (name)
);;

CREATE TABLE api_key (
	name TEXT NOT NULL, 
	secret_hash BYTEA NOT NULL, 
	scopes TEXT[] NOT NULL, 
	created_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	last_used_at TIMESTAMP WITH TIME ZONE, 
	revoked_at TIMESTAMP WITH TIME ZONE, 
	merchant_id UUID NOT NULL, 
	id UUID NOT NULL, 
	CONSTRAINT pk_api_key PRIMARY KEY (merchant_id, id), 
	CONSTRAINT fk_api_key_merchant_id FOREIGN KEY(merchant_id) REFERENCES merchant (id)
);;

CREATE TABLE audit_entry (
	actor_kind TEXT NOT NULL, 
	actor_id UUID, 
	action TEXT NOT NULL, 
	target_kind TEXT NOT NULL, 
	target_id UUID, 
	facts JSONB NOT NULL, 
	at TIMESTAMP WITH TIME ZONE NOT NULL, 
	merchant_id UUID NOT NULL, 
	id UUID NOT NULL, 
	CONSTRAINT pk_audit_entry PRIMARY KEY (merchant_id, id), 
	CONSTRAINT fk_audit_entry_merchant_id FOREIGN KEY(merchant_id) REFERENCES merchant (id)
);;

CREATE INDEX ix_audit_entry_merchant_id_actor_id_at_id ON audit_entry (merchant_id, actor_id, at, id);;

CREATE INDEX ix_audit_entry_merchant_id_at_id ON audit_entry (merchant_id, at, id);;

CREATE INDEX ix_audit_entry_merchant_id_target_id ON audit_entry (merchant_id, target_id);;

CREATE TABLE billing_account (
	merchant_id UUID NOT NULL, 
	plan TEXT NOT NULL, 
	since TIMESTAMP WITH TIME ZONE NOT NULL, 
	CONSTRAINT pk_billing_account PRIMARY KEY (merchant_id), 
	CONSTRAINT fk_billing_account_merchant_id FOREIGN KEY(merchant_id) REFERENCES merchant (id)
);;

CREATE TABLE business_closing (
	merchant_id UUID NOT NULL, 
	closed_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	erase_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	erased_at TIMESTAMP WITH TIME ZONE, 
	emptied_at TIMESTAMP WITH TIME ZONE, 
	CONSTRAINT pk_business_closing PRIMARY KEY (merchant_id), 
	CONSTRAINT fk_business_closing_merchant_id FOREIGN KEY(merchant_id) REFERENCES merchant (id)
);;

CREATE TABLE consent_record (
	customer_id UUID NOT NULL, 
	address_mac BYTEA, 
	purpose TEXT NOT NULL, 
	given BOOLEAN NOT NULL, 
	text_version TEXT NOT NULL, 
	text_shown TEXT NOT NULL, 
	locale TEXT NOT NULL, 
	channel TEXT NOT NULL, 
	source TEXT NOT NULL, 
	confirms UUID, 
	evidence TEXT DEFAULT '' NOT NULL, 
	at TIMESTAMP WITH TIME ZONE NOT NULL, 
	merchant_id UUID NOT NULL, 
	id UUID NOT NULL, 
	CONSTRAINT pk_consent_record PRIMARY KEY (merchant_id, id), 
	CONSTRAINT fk_consent_record_merchant_id FOREIGN KEY(merchant_id) REFERENCES merchant (id)
);;

CREATE INDEX ix_consent_record_merchant_id_customer_id ON consent_record (merchant_id, customer_id);;

CREATE TABLE customer (
	name TEXT, 
	email TEXT, 
	phone TEXT, 
	email_key TEXT COLLATE "C" GENERATED ALWAYS AS (lower(email)) STORED, 
	sort_name TEXT COLLATE "C" DEFAULT '~' NOT NULL, 
	email_consent BOOLEAN DEFAULT 'false' NOT NULL, 
	email_consent_at TIMESTAMP WITH TIME ZONE, 
	email_consent_source TEXT, 
	consent_confirmed_at TIMESTAMP WITH TIME ZONE, 
	email_verified_at TIMESTAMP WITH TIME ZONE, 
	unsubscribed_at TIMESTAMP WITH TIME ZONE, 
	locale TEXT DEFAULT 'en' NOT NULL, 
	birthday_day BIGINT, 
	birthday_month BIGINT, 
	birthday_year BIGINT, 
	created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL, 
	erased_at TIMESTAMP WITH TIME ZONE, 
	merchant_id UUID NOT NULL, 
	id UUID NOT NULL, 
	CONSTRAINT pk_customer PRIMARY KEY (merchant_id, id), 
	CONSTRAINT fk_customer_merchant_id FOREIGN KEY(merchant_id) REFERENCES merchant (id), 
	CONSTRAINT ck_customer_birthday CHECK (birthday_month BETWEEN 1 AND 12 AND birthday_day BETWEEN 1 AND 31)
);;

CREATE INDEX ix_customer_created ON customer (merchant_id, created_at);;

CREATE INDEX ix_customer_email ON customer (merchant_id, email_key);;

CREATE INDEX ix_customer_sort_name ON customer (merchant_id, sort_name, id);;

CREATE UNIQUE INDEX uq_customer_verified_email ON customer (merchant_id, email_key) WHERE email_verified_at IS NOT NULL;;

CREATE TABLE customer_value (
	merchant_id UUID NOT NULL, 
	fitted_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	result JSONB NOT NULL, 
	CONSTRAINT pk_customer_value PRIMARY KEY (merchant_id), 
	CONSTRAINT fk_customer_value_merchant_id FOREIGN KEY(merchant_id) REFERENCES merchant (id)
);;

CREATE TABLE design_picture (
	digest TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	png BYTEA NOT NULL, 
	width BIGINT NOT NULL, 
	height BIGINT NOT NULL, 
	created_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	merchant_id UUID NOT NULL, 
	id UUID NOT NULL, 
	CONSTRAINT pk_design_picture PRIMARY KEY (merchant_id, id), 
	CONSTRAINT fk_design_picture_merchant_id FOREIGN KEY(merchant_id) REFERENCES merchant (id), 
	CONSTRAINT uq_design_picture_merchant_id_digest UNIQUE (merchant_id, digest), 
	CONSTRAINT ck_design_picture_kind_known CHECK (kind IN ('logo', 'stamp', 'photo'))
);;

CREATE TABLE export_chunk (
	merchant_id UUID NOT NULL, 
	export_id UUID NOT NULL, 
	number BIGINT NOT NULL, 
	content BYTEA NOT NULL, 
	CONSTRAINT pk_export_chunk PRIMARY KEY (merchant_id, export_id, number), 
	CONSTRAINT fk_export_chunk_merchant_id FOREIGN KEY(merchant_id) REFERENCES merchant (id)
);;

CREATE TABLE export_file (
	member_id UUID NOT NULL, 
	exporter TEXT NOT NULL, 
	form TEXT NOT NULL, 
	locale TEXT NOT NULL, 
	status TEXT DEFAULT 'waiting' NOT NULL, 
	rows_expected BIGINT NOT NULL, 
	rows_done BIGINT DEFAULT '0' NOT NULL, 
	size_bytes BIGINT DEFAULT '0' NOT NULL, 
	created_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	finished_at TIMESTAMP WITH TIME ZONE, 
	expires_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	merchant_id UUID NOT NULL, 
	id UUID NOT NULL, 
	CONSTRAINT pk_export_file PRIMARY KEY (merchant_id, id), 
	CONSTRAINT fk_export_file_merchant_id FOREIGN KEY(merchant_id) REFERENCES merchant (id), 
	CONSTRAINT ck_export_file_form CHECK (form IN ('csv', 'xlsx', 'zip')), 
	CONSTRAINT ck_export_file_status CHECK (status IN ('waiting', 'making', 'ready', 'fetched', 'failed', 'gone'))
);;

CREATE INDEX ix_export_file_expires_at ON export_file (expires_at);;

CREATE TABLE fraud_scan (
	merchant_id UUID NOT NULL, 
	scanned_at TIMESTAMP WITH TIME ZONE, 
	alerted_at TIMESTAMP WITH TIME ZONE, 
	CONSTRAINT pk_fraud_scan PRIMARY KEY (merchant_id), 
	CONSTRAINT fk_fraud_scan_merchant_id FOREIGN KEY(merchant_id) REFERENCES merchant (id)
);;

CREATE TABLE google_account (
	merchant_id UUID NOT NULL, 
	issuer_id TEXT NOT NULL, 
	service_email TEXT NOT NULL, 
	sealed BYTEA NOT NULL, 
	updated_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	CONSTRAINT pk_google_account PRIMARY KEY (merchant_id), 
	CONSTRAINT fk_google_account_merchant_id FOREIGN KEY(merchant_id) REFERENCES merchant (id)
);;

CREATE TABLE google_class (
	merchant_id UUID NOT NULL, 
	program_id UUID NOT NULL, 
	class_id TEXT NOT NULL, 
	sent JSONB NOT NULL, 
	updated_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	CONSTRAINT pk_google_class PRIMARY KEY (merchant_id, program_id), 
	CONSTRAINT fk_google_class_merchant_id FOREIGN KEY(merchant_id) REFERENCES merchant (id)
);;

CREATE TABLE google_nonce (
	merchant_id UUID NOT NULL, 
	nonce_hash BYTEA NOT NULL, 
	expires_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	CONSTRAINT pk_google_nonce PRIMARY KEY (merchant_id, nonce_hash), 
	CONSTRAINT fk_google_nonce_merchant_id FOREIGN KEY(merchant_id) REFERENCES merchant (id)
);;

CREATE INDEX ix_google_nonce_merchant_id_expires_at ON google_nonce (merchant_id, expires_at);;

CREATE TABLE google_object (
	merchant_id UUID NOT NULL, 
	pass_id UUID NOT NULL, 
	object_id TEXT NOT NULL, 
	sent JSONB DEFAULT '{}' NOT NULL, 
	busy_until TIMESTAMP WITH TIME ZONE, 
	notified JSONB DEFAULT '[]' NOT NULL, 
	silenced BIGINT DEFAULT '0' NOT NULL, 
	wanted_at TIMESTAMP WITH TIME ZONE, 
	saves BIGINT DEFAULT '0' NOT NULL, 
	deletions BIGINT DEFAULT '0' NOT NULL, 
	last_event_at TIMESTAMP WITH TIME ZONE, 
	updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL, 
	CONSTRAINT pk_google_object PRIMARY KEY (merchant_id, pass_id), 
	CONSTRAINT fk_google_object_merchant_id FOREIGN KEY(merchant_id) REFERENCES merchant (id)
);;

CREATE TABLE half_sign_in (
	member_id UUID NOT NULL, 
	token_hash BYTEA NOT NULL, 
	attempts BIGINT DEFAULT '0' NOT NULL, 
	expires_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	used_at TIMESTAMP WITH TIME ZONE, 
	merchant_id UUID NOT NULL, 
	id UUID NOT NULL, 
	CONSTRAINT pk_half_sign_in PRIMARY KEY (merchant_id, id), 
	CONSTRAINT fk_half_sign_in_merchant_id FOREIGN KEY(merchant_id) REFERENCES merchant (id)
);;

CREATE INDEX ix_half_sign_in_expires_at ON half_sign_in (expires_at);;

CREATE TABLE idempotency_key (
	merchant_id UUID NOT NULL, 
	scope TEXT NOT NULL, 
	key TEXT NOT NULL, 
	fingerprint BYTEA NOT NULL, 
	answer JSONB, 
	created_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	CONSTRAINT pk_idempotency_key PRIMARY KEY (merchant_id, scope, key), 
	CONSTRAINT fk_idempotency_key_merchant_id FOREIGN KEY(merchant_id) REFERENCES merchant (id)
);;

CREATE INDEX ix_idempotency_key_created_at ON idempotency_key (created_at);;

CREATE TABLE import_run (
	member_id UUID, 
	file_name TEXT NOT NULL, 
	digest BYTEA NOT NULL, 
	status TEXT NOT NULL, 
	header JSONB NOT NULL, 
	plan JSONB DEFAULT '{}' NOT NULL, 
	counts JSONB DEFAULT '{}' NOT NULL, 
	locale TEXT NOT NULL, 
	tag_id UUID, 
	rows BIGINT NOT NULL, 
	rows_done BIGINT DEFAULT '0' NOT NULL, 
	created_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	started_at TIMESTAMP WITH TIME ZONE, 
	finished_at TIMESTAMP WITH TIME ZONE, 
	undone_at TIMESTAMP WITH TIME ZONE, 
	merchant_id UUID NOT NULL, 
	id UUID NOT NULL, 
	CONSTRAINT pk_import_run PRIMARY KEY (merchant_id, id), 
	CONSTRAINT fk_import_run_merchant_id FOREIGN KEY(merchant_id) REFERENCES merchant (id), 
	CONSTRAINT ck_import_run_status CHECK (status IN ('draft', 'checking', 'checked', 'running', 'done', 'undoing', 'undone', 'failed'))
);;

CREATE INDEX ix_import_run_merchant_id_digest ON import_run (merchant_id, digest);;

CREATE TABLE member (
	email TEXT NOT NULL, 
	password_hash TEXT NOT NULL, 
	name TEXT NOT NULL, 
	role TEXT NOT NULL, 
	store_ids UUID[] DEFAULT '{}' NOT NULL, 
	staff_id UUID, 
	invited_at TIMESTAMP WITH TIME ZONE, 
	invited_by UUID, 
	joined_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	disabled_at TIMESTAMP WITH TIME ZONE, 
	merchant_id UUID NOT NULL, 
	id UUID NOT NULL, 
	CONSTRAINT pk_member PRIMARY KEY (merchant_id, id), 
	CONSTRAINT fk_member_merchant_id FOREIGN KEY(merchant_id) REFERENCES merchant (id), 
	CONSTRAINT ck_member_role_known CHECK (role IN ('manager', 'cashier', 'analyst'))
);;

CREATE TABLE member_invitation (
	email TEXT NOT NULL, 
	name TEXT NOT NULL, 
	role TEXT NOT NULL, 
	store_ids UUID[] DEFAULT '{}' NOT NULL, 
	staff_id UUID, 
	token_hash BYTEA NOT NULL, 
	invited_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	invited_by UUID NOT NULL, 
	expires_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	merchant_id UUID NOT NULL, 
	id UUID NOT NULL, 
	CONSTRAINT pk_member_invitation PRIMARY KEY (merchant_id, id), 
	CONSTRAINT fk_member_invitation_merchant_id FOREIGN KEY(merchant_id) REFERENCES merchant (id), 
	CONSTRAINT ck_member_invitation_role_known CHECK (role IN ('manager', 'cashier', 'analyst'))
);;

CREATE INDEX ix_member_invitation_expires_at ON member_invitation (expires_at);;

CREATE TABLE member_totp (
	merchant_id UUID NOT NULL, 
	member_id UUID NOT NULL, 
	sealed_secret BYTEA NOT NULL, 
	begun_in BYTEA DEFAULT '\x' NOT NULL, 
	created_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	confirmed_at TIMESTAMP WITH TIME ZONE, 
	last_step BIGINT, 
	last_used_at TIMESTAMP WITH TIME ZONE, 
	CONSTRAINT pk_member_totp PRIMARY KEY (merchant_id, member_id), 
	CONSTRAINT fk_member_totp_merchant_id FOREIGN KEY(merchant_id) REFERENCES merchant (id)
);;

CREATE TABLE merchant_session (
	member_id UUID NOT NULL, 
	role TEXT NOT NULL, 
	token_hash BYTEA NOT NULL, 
	browser TEXT DEFAULT '' NOT NULL, 
	device_hash BYTEA, 
	created_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	last_seen_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	expires_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	revoked_at TIMESTAMP WITH TIME ZONE, 
	disowned_at TIMESTAMP WITH TIME ZONE, 
	merchant_id UUID NOT NULL, 
	id UUID NOT NULL, 
	CONSTRAINT pk_merchant_session PRIMARY KEY (merchant_id, id), 
	CONSTRAINT fk_merchant_session_merchant_id FOREIGN KEY(merchant_id) REFERENCES merchant (id)
);;

CREATE TABLE merchant_setting (
	merchant_id UUID NOT NULL, 
	scope_id UUID NOT NULL, 
	section TEXT NOT NULL, 
	values JSONB NOT NULL, 
	updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL, 
	CONSTRAINT pk_merchant_setting PRIMARY KEY (merchant_id, scope_id, section), 
	CONSTRAINT fk_merchant_setting_merchant_id FOREIGN KEY(merchant_id) REFERENCES merchant (id)
);;

CREATE TABLE news (
	kind TEXT NOT NULL, 
	subject TEXT NOT NULL, 
	text TEXT NOT NULL, 
	meant JSONB NOT NULL, 
	status TEXT DEFAULT 'draft' NOT NULL, 
	after UUID, 
	queued BIGINT DEFAULT '0' NOT NULL, 
	rested BIGINT DEFAULT '0' NOT NULL, 
	created_by UUID, 
	created_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	sent_at TIMESTAMP WITH TIME ZONE, 
	merchant_id UUID NOT NULL, 
	id UUID NOT NULL, 
	CONSTRAINT pk_news PRIMARY KEY (merchant_id, id), 
	CONSTRAINT fk_news_merchant_id FOREIGN KEY(merchant_id) REFERENCES merchant (id), 
	CONSTRAINT ck_news_status CHECK (status IN ('draft', 'sending', 'sent'))
);;

CREATE INDEX ix_news_merchant_id_created_at ON news (merchant_id, created_at);;

CREATE TABLE nudge_text (
	merchant_id UUID NOT NULL, 
	kind TEXT NOT NULL, 
	locale TEXT NOT NULL, 
	subject TEXT NOT NULL, 
	text TEXT NOT NULL, 
	CONSTRAINT pk_nudge_text PRIMARY KEY (merchant_id, kind, locale), 
	CONSTRAINT fk_nudge_text_merchant_id FOREIGN KEY(merchant_id) REFERENCES merchant (id)
);;

CREATE TABLE passkey (
	member_id UUID NOT NULL, 
	name TEXT NOT NULL, 
	credential_id BYTEA NOT NULL, 
	public_key BYTEA NOT NULL, 
	sign_count BIGINT NOT NULL, 
	transports TEXT[] NOT NULL, 
	is_synced BOOLEAN NOT NULL, 
	created_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	last_used_at TIMESTAMP WITH TIME ZONE, 
	blocked_at TIMESTAMP WITH TIME ZONE, 
	merchant_id UUID NOT NULL, 
	id UUID NOT NULL, 
	CONSTRAINT pk_passkey PRIMARY KEY (merchant_id, id), 
	CONSTRAINT fk_passkey_merchant_id FOREIGN KEY(merchant_id) REFERENCES merchant (id), 
	CONSTRAINT uq_passkey_merchant_id_credential_id UNIQUE (merchant_id, credential_id)
);;

CREATE INDEX ix_passkey_merchant_id_member_id ON passkey (merchant_id, member_id);;

CREATE TABLE pin_attempt (
	store_id UUID NOT NULL, 
	pass_id UUID, 
	device_id UUID, 
	address_key BYTEA, 
	new_card BOOLEAN NOT NULL, 
	at TIMESTAMP WITH TIME ZONE NOT NULL, 
	refunded_at TIMESTAMP WITH TIME ZONE, 
	merchant_id UUID NOT NULL, 
	id UUID NOT NULL, 
	CONSTRAINT pk_pin_attempt PRIMARY KEY (merchant_id, id), 
	CONSTRAINT fk_pin_attempt_merchant_id FOREIGN KEY(merchant_id) REFERENCES merchant (id)
);;

CREATE INDEX ix_pin_attempt_at ON pin_attempt (at);;

CREATE INDEX ix_pin_attempt_merchant_id_address_key_at ON pin_attempt (merchant_id, address_key, at);;

CREATE INDEX ix_pin_attempt_merchant_id_device_id_at ON pin_attempt (merchant_id, device_id, at) WHERE device_id IS NOT NULL;;

CREATE INDEX ix_pin_attempt_merchant_id_pass_id_at ON pin_attempt (merchant_id, pass_id, at);;

CREATE INDEX ix_pin_attempt_merchant_id_store_id_at ON pin_attempt (merchant_id, store_id, at);;

CREATE TABLE program (
	name TEXT NOT NULL, 
	loyalty_type TEXT NOT NULL, 
	stamps_needed BIGINT DEFAULT '10' NOT NULL, 
	points_per_unit NUMERIC(12, 4) DEFAULT '1' NOT NULL, 
	rounding TEXT DEFAULT 'down' NOT NULL, 
	cooldown_minutes BIGINT DEFAULT '10' NOT NULL, 
	stamps_per_visit BIGINT DEFAULT '10' NOT NULL, 
	visits_per_day BIGINT DEFAULT '5' NOT NULL, 
	full_card TEXT DEFAULT 'stop' NOT NULL, 
	points_expiry TEXT DEFAULT 'never' NOT NULL, 
	points_expiry_months BIGINT DEFAULT '12' NOT NULL, 
	points_expiry_since TIMESTAMP WITH TIME ZONE, 
	stamps_expiry_months BIGINT, 
	stamps_expiry_since TIMESTAMP WITH TIME ZONE, 
	design JSONB DEFAULT '{}' NOT NULL, 
	design_version BIGINT DEFAULT '1' NOT NULL, 
	created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL, 
	merchant_id UUID NOT NULL, 
	id UUID NOT NULL, 
	CONSTRAINT pk_program PRIMARY KEY (merchant_id, id), 
	CONSTRAINT fk_program_merchant_id FOREIGN KEY(merchant_id) REFERENCES merchant (id), 
	CONSTRAINT ck_program_loyalty_type CHECK (loyalty_type IN ('stamps', 'points', 'hybrid')), 
	CONSTRAINT ck_program_stamps_needed CHECK (stamps_needed BETWEEN 1 AND 100), 
	CONSTRAINT ck_program_rounding CHECK (rounding IN ('down', 'half_up', 'up')), 
	CONSTRAINT ck_program_full_card CHECK (full_card IN ('stop', 'carry_on')), 
	CONSTRAINT ck_program_points_expiry CHECK (points_expiry IN ('never', 'after_last_visit', 'after_earned'))
);;

CREATE TABLE recovery_code (
	member_id UUID NOT NULL, 
	code_hash BYTEA NOT NULL, 
	created_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	used_at TIMESTAMP WITH TIME ZONE, 
	merchant_id UUID NOT NULL, 
	id UUID NOT NULL, 
	CONSTRAINT pk_recovery_code PRIMARY KEY (merchant_id, id), 
	CONSTRAINT fk_recovery_code_merchant_id FOREIGN KEY(merchant_id) REFERENCES merchant (id), 
	CONSTRAINT uq_recovery_code_merchant_id_member_id_code_hash UNIQUE (merchant_id, member_id, code_hash)
);;

CREATE TABLE rollup_balance (
	merchant_id UUID NOT NULL, 
	build BIGINT NOT NULL, 
	program_id UUID NOT NULL, 
	cards BIGINT DEFAULT '0' NOT NULL, 
	stamps BIGINT DEFAULT '0' NOT NULL, 
	points BIGINT DEFAULT '0' NOT NULL, 
	ready BIGINT DEFAULT '0' NOT NULL, 
	CONSTRAINT pk_rollup_balance PRIMARY KEY (merchant_id, build, program_id), 
	CONSTRAINT fk_rollup_balance_merchant_id FOREIGN KEY(merchant_id) REFERENCES merchant (id)
)
 WITH (fillfactor = 50);;

CREATE TABLE rollup_card (
	merchant_id UUID NOT NULL, 
	build BIGINT NOT NULL, 
	pass_id UUID NOT NULL, 
	customer_id UUID NOT NULL, 
	program_id UUID NOT NULL, 
	seen_visit UUID, 
	voided_visits UUID[] NOT NULL, 
	seen_redemption UUID, 
	voided_redemptions UUID[] NOT NULL, 
	joined BOOLEAN NOT NULL, 
	held BIGINT NOT NULL, 
	stamps BIGINT NOT NULL, 
	points BIGINT NOT NULL, 
	ready BIGINT NOT NULL, 
	CONSTRAINT pk_rollup_card PRIMARY KEY (merchant_id, build, pass_id), 
	CONSTRAINT fk_rollup_card_merchant_id FOREIGN KEY(merchant_id) REFERENCES merchant (id)
);;

CREATE INDEX ix_rollup_card_merchant_id_build_customer_id ON rollup_card (merchant_id, build, customer_id);;

CREATE TABLE rollup_cohort (
	merchant_id UUID NOT NULL, 
	build BIGINT NOT NULL, 
	cohort DATE NOT NULL, 
	month DATE NOT NULL, 
	customers BIGINT DEFAULT '0' NOT NULL, 
	visits BIGINT DEFAULT '0' NOT NULL, 
	amount_minor BIGINT DEFAULT '0' NOT NULL, 
	CONSTRAINT pk_rollup_cohort PRIMARY KEY (merchant_id, build, cohort, month), 
	CONSTRAINT fk_rollup_cohort_merchant_id FOREIGN KEY(merchant_id) REFERENCES merchant (id)
)
 WITH (fillfactor = 50);;

CREATE TABLE rollup_customer (
	merchant_id UUID NOT NULL, 
	build BIGINT NOT NULL, 
	customer_id UUID NOT NULL, 
	first_at TIMESTAMP WITH TIME ZONE, 
	last_at TIMESTAMP WITH TIME ZONE, 
	first_day DATE, 
	last_day DATE, 
	visits BIGINT NOT NULL, 
	visit_days BIGINT NOT NULL, 
	purchases BIGINT NOT NULL, 
	amount_minor BIGINT NOT NULL, 
	later_paid_days BIGINT NOT NULL, 
	later_amount_minor BIGINT NOT NULL, 
	stamps BIGINT NOT NULL, 
	points BIGINT NOT NULL, 
	redemptions BIGINT NOT NULL, 
	CONSTRAINT pk_rollup_customer PRIMARY KEY (merchant_id, build, customer_id), 
	CONSTRAINT fk_rollup_customer_merchant_id FOREIGN KEY(merchant_id) REFERENCES merchant (id)
);;

CREATE TABLE rollup_day (
	merchant_id UUID NOT NULL, 
	build BIGINT NOT NULL, 
	day DATE NOT NULL, 
	store_id UUID NOT NULL, 
	staff_id UUID NOT NULL, 
	given_by TEXT NOT NULL, 
	visits BIGINT DEFAULT '0' NOT NULL, 
	first_visits BIGINT DEFAULT '0' NOT NULL, 
	purchases BIGINT DEFAULT '0' NOT NULL, 
	amount_minor BIGINT DEFAULT '0' NOT NULL, 
	stamps BIGINT DEFAULT '0' NOT NULL, 
	points BIGINT DEFAULT '0' NOT NULL, 
	redemptions BIGINT DEFAULT '0' NOT NULL, 
	stamps_spent BIGINT DEFAULT '0' NOT NULL, 
	points_spent BIGINT DEFAULT '0' NOT NULL, 
	new_cards BIGINT DEFAULT '0' NOT NULL, 
	CONSTRAINT pk_rollup_day PRIMARY KEY (merchant_id, build, day, store_id, staff_id, given_by), 
	CONSTRAINT fk_rollup_day_merchant_id FOREIGN KEY(merchant_id) REFERENCES merchant (id)
)
 WITH (fillfactor = 50);;

CREATE TABLE rollup_hour (
	merchant_id UUID NOT NULL, 
	build BIGINT NOT NULL, 
	day DATE NOT NULL, 
	hour SMALLINT NOT NULL, 
	store_id UUID NOT NULL, 
	visits BIGINT DEFAULT '0' NOT NULL, 
	first_visits BIGINT DEFAULT '0' NOT NULL, 
	purchases BIGINT DEFAULT '0' NOT NULL, 
	amount_minor BIGINT DEFAULT '0' NOT NULL, 
	stamps BIGINT DEFAULT '0' NOT NULL, 
	points BIGINT DEFAULT '0' NOT NULL, 
	redemptions BIGINT DEFAULT '0' NOT NULL, 
	stamps_spent BIGINT DEFAULT '0' NOT NULL, 
	points_spent BIGINT DEFAULT '0' NOT NULL, 
	new_cards BIGINT DEFAULT '0' NOT NULL, 
	CONSTRAINT pk_rollup_hour PRIMARY KEY (merchant_id, build, day, hour, store_id), 
	CONSTRAINT fk_rollup_hour_merchant_id FOREIGN KEY(merchant_id) REFERENCES merchant (id)
)
 WITH (fillfactor = 50);;

CREATE TABLE rollup_people (
	merchant_id UUID NOT NULL, 
	build BIGINT NOT NULL, 
	last_day DATE NOT NULL, 
	visits SMALLINT NOT NULL, 
	customers BIGINT DEFAULT '0' NOT NULL, 
	all_visits BIGINT DEFAULT '0' NOT NULL, 
	amount_minor BIGINT DEFAULT '0' NOT NULL, 
	span_days BIGINT DEFAULT '0' NOT NULL, 
	redeemers BIGINT DEFAULT '0' NOT NULL, 
	CONSTRAINT pk_rollup_people PRIMARY KEY (merchant_id, build, last_day, visits), 
	CONSTRAINT fk_rollup_people_merchant_id FOREIGN KEY(merchant_id) REFERENCES merchant (id)
)
 WITH (fillfactor = 50);;

CREATE TABLE rollup_state (
	merchant_id UUID NOT NULL, 
	build BIGINT NOT NULL, 
	live BOOLEAN DEFAULT 'false' NOT NULL, 
	complete BOOLEAN DEFAULT 'false' NOT NULL, 
	cursor UUID, 
	basis TEXT NOT NULL, 
	started_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	finished_at TIMESTAMP WITH TIME ZONE, 
	CONSTRAINT pk_rollup_state PRIMARY KEY (merchant_id, build), 
	CONSTRAINT fk_rollup_state_merchant_id FOREIGN KEY(merchant_id) REFERENCES merchant (id)
);;

CREATE TABLE rollup_store (
	merchant_id UUID NOT NULL, 
	build BIGINT NOT NULL, 
	day DATE NOT NULL, 
	store_id UUID NOT NULL, 
	visits BIGINT DEFAULT '0' NOT NULL, 
	first_visits BIGINT DEFAULT '0' NOT NULL, 
	purchases BIGINT DEFAULT '0' NOT NULL, 
	amount_minor BIGINT DEFAULT '0' NOT NULL, 
	stamps BIGINT DEFAULT '0' NOT NULL, 
	points BIGINT DEFAULT '0' NOT NULL, 
	redemptions BIGINT DEFAULT '0' NOT NULL, 
	stamps_spent BIGINT DEFAULT '0' NOT NULL, 
	points_spent BIGINT DEFAULT '0' NOT NULL, 
	new_cards BIGINT DEFAULT '0' NOT NULL, 
	CONSTRAINT pk_rollup_store PRIMARY KEY (merchant_id, build, day, store_id), 
	CONSTRAINT fk_rollup_store_merchant_id FOREIGN KEY(merchant_id) REFERENCES merchant (id)
)
 WITH (fillfactor = 50);;

CREATE TABLE staff_member (
	name TEXT NOT NULL, 
	role TEXT DEFAULT 'cashier' NOT NULL, 
	created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL, 
	left_at TIMESTAMP WITH TIME ZONE, 
	merchant_id UUID NOT NULL, 
	id UUID NOT NULL, 
	CONSTRAINT pk_staff_member PRIMARY KEY (merchant_id, id), 
	CONSTRAINT fk_staff_member_merchant_id FOREIGN KEY(merchant_id) REFERENCES merchant (id), 
	CONSTRAINT ck_staff_member_role CHECK (role IN ('cashier', 'manager', 'analyst'))
);;

CREATE TABLE tag (
	name TEXT NOT NULL, 
	name_key TEXT COLLATE "C" NOT NULL, 
	created_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	merchant_id UUID NOT NULL, 
	id UUID NOT NULL, 
	CONSTRAINT pk_tag PRIMARY KEY (merchant_id, id), 
	CONSTRAINT fk_tag_merchant_id FOREIGN KEY(merchant_id) REFERENCES merchant (id)
);;

CREATE UNIQUE INDEX uq_tag_name ON tag (merchant_id, name_key);;

CREATE TABLE usage_month (
	merchant_id UUID NOT NULL, 
	month DATE NOT NULL, 
	meter TEXT NOT NULL, 
	used BIGINT DEFAULT '0' NOT NULL, 
	latest BIGINT DEFAULT '0' NOT NULL, 
	counted_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	warned_at TIMESTAMP WITH TIME ZONE, 
	reached_at TIMESTAMP WITH TIME ZONE, 
	closed_at TIMESTAMP WITH TIME ZONE, 
	CONSTRAINT pk_usage_month PRIMARY KEY (merchant_id, month, meter), 
	CONSTRAINT fk_usage_month_merchant_id FOREIGN KEY(merchant_id) REFERENCES merchant (id)
);;

CREATE INDEX ix_usage_month_merchant_id_month ON usage_month (merchant_id, month) WHERE closed_at IS NULL;;

CREATE TABLE webhook_endpoint (
	url TEXT NOT NULL, 
	about TEXT DEFAULT '' NOT NULL, 
	events TEXT[] NOT NULL, 
	sealed BYTEA NOT NULL, 
	sealed_before BYTEA, 
	before_until TIMESTAMP WITH TIME ZONE, 
	is_on BOOLEAN NOT NULL, 
	off_reason TEXT DEFAULT '' NOT NULL, 
	failures BIGINT DEFAULT '0' NOT NULL, 
	failing_since TIMESTAMP WITH TIME ZONE, 
	retry_at TIMESTAMP WITH TIME ZONE, 
	sending_until TIMESTAMP WITH TIME ZONE, 
	reached_at TIMESTAMP WITH TIME ZONE, 
	created_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	removed_at TIMESTAMP WITH TIME ZONE, 
	merchant_id UUID NOT NULL, 
	id UUID NOT NULL, 
	CONSTRAINT pk_webhook_endpoint PRIMARY KEY (merchant_id, id), 
	CONSTRAINT fk_webhook_endpoint_merchant_id FOREIGN KEY(merchant_id) REFERENCES merchant (id), 
	CONSTRAINT ck_webhook_endpoint_off_reason CHECK (off_reason IN ('', 'member', 'gone', 'failing'))
);;

CREATE TABLE webhook_event (
	type TEXT NOT NULL, 
	key TEXT NOT NULL, 
	data JSONB NOT NULL, 
	customer_id UUID, 
	at TIMESTAMP WITH TIME ZONE NOT NULL, 
	merchant_id UUID NOT NULL, 
	id UUID NOT NULL, 
	CONSTRAINT pk_webhook_event PRIMARY KEY (merchant_id, id), 
	CONSTRAINT fk_webhook_event_merchant_id FOREIGN KEY(merchant_id) REFERENCES merchant (id), 
	CONSTRAINT uq_webhook_event_merchant_id_type_key UNIQUE (merchant_id, type, key)
);;

CREATE INDEX ix_webhook_event_merchant_id_at ON webhook_event (merchant_id, at);;

CREATE INDEX ix_webhook_event_merchant_id_customer_id ON webhook_event (merchant_id, customer_id) WHERE customer_id IS NOT NULL;;

CREATE TABLE customer_note (
	customer_id UUID NOT NULL, 
	text TEXT NOT NULL, 
	author_id UUID, 
	at TIMESTAMP WITH TIME ZONE NOT NULL, 
	merchant_id UUID NOT NULL, 
	id UUID NOT NULL, 
	CONSTRAINT pk_customer_note PRIMARY KEY (merchant_id, id), 
	CONSTRAINT fk_customer_note_merchant_id_customer_id FOREIGN KEY(merchant_id, customer_id) REFERENCES customer (merchant_id, id)
);;

CREATE INDEX ix_customer_note_merchant_id_customer_id_id ON customer_note (merchant_id, customer_id, id);;

CREATE TABLE customer_opt_out (
	merchant_id UUID NOT NULL, 
	customer_id UUID NOT NULL, 
	purpose TEXT NOT NULL, 
	channel TEXT NOT NULL, 
	at TIMESTAMP WITH TIME ZONE NOT NULL, 
	CONSTRAINT pk_customer_opt_out PRIMARY KEY (merchant_id, customer_id, purpose, channel), 
	CONSTRAINT fk_customer_opt_out_merchant_id_customer_id FOREIGN KEY(merchant_id, customer_id) REFERENCES customer (merchant_id, id)
);;

CREATE TABLE customer_search (
	merchant_id UUID NOT NULL, 
	kind TEXT COLLATE "C" NOT NULL, 
	term TEXT COLLATE "C" NOT NULL, 
	customer_id UUID NOT NULL, 
	CONSTRAINT pk_customer_search PRIMARY KEY (merchant_id, kind, term, customer_id), 
	CONSTRAINT fk_customer_search_merchant_id_customer_id FOREIGN KEY(merchant_id, customer_id) REFERENCES customer (merchant_id, id)
);;

CREATE INDEX ix_customer_search_merchant_id_customer_id ON customer_search (merchant_id, customer_id);;

CREATE TABLE customer_tag (
	merchant_id UUID NOT NULL, 
	tag_id UUID NOT NULL, 
	customer_id UUID NOT NULL, 
	at TIMESTAMP WITH TIME ZONE NOT NULL, 
	CONSTRAINT pk_customer_tag PRIMARY KEY (merchant_id, tag_id, customer_id), 
	CONSTRAINT fk_customer_tag_merchant_id_tag_id FOREIGN KEY(merchant_id, tag_id) REFERENCES tag (merchant_id, id), 
	CONSTRAINT fk_customer_tag_merchant_id_customer_id FOREIGN KEY(merchant_id, customer_id) REFERENCES customer (merchant_id, id)
);;

CREATE INDEX ix_customer_tag_merchant_id_customer_id ON customer_tag (merchant_id, customer_id);;

CREATE TABLE import_row (
	merchant_id UUID NOT NULL, 
	run_id UUID NOT NULL, 
	number BIGINT NOT NULL, 
	cells JSONB, 
	outcome TEXT, 
	problem TEXT, 
	customer_id UUID, 
	CONSTRAINT pk_import_row PRIMARY KEY (merchant_id, run_id, number), 
	CONSTRAINT fk_import_row_merchant_id_run_id FOREIGN KEY(merchant_id, run_id) REFERENCES import_run (merchant_id, id)
);;

CREATE INDEX ix_import_row_merchant_id_customer_id ON import_row (merchant_id, customer_id);;

CREATE INDEX ix_import_row_merchant_id_run_id_outcome_number ON import_row (merchant_id, run_id, outcome, number);;

CREATE TABLE nudge_slot (
	merchant_id UUID NOT NULL, 
	customer_id UUID NOT NULL, 
	last_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	CONSTRAINT pk_nudge_slot PRIMARY KEY (merchant_id, customer_id), 
	CONSTRAINT fk_nudge_slot_merchant_id_customer_id FOREIGN KEY(merchant_id, customer_id) REFERENCES customer (merchant_id, id)
);;

CREATE TABLE reward (
	program_id UUID NOT NULL, 
	kind TEXT NOT NULL, 
	reward_kind TEXT DEFAULT 'free_item' NOT NULL, 
	threshold BIGINT NOT NULL, 
	title TEXT NOT NULL, 
	text TEXT, 
	texts JSONB DEFAULT '{}' NOT NULL, 
	picture TEXT, 
	active BOOLEAN DEFAULT 'true' NOT NULL, 
	created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL, 
	merchant_id UUID NOT NULL, 
	id UUID NOT NULL, 
	CONSTRAINT pk_reward PRIMARY KEY (merchant_id, id), 
	CONSTRAINT fk_reward_merchant_id_program_id FOREIGN KEY(merchant_id, program_id) REFERENCES program (merchant_id, id), 
	CONSTRAINT ck_reward_kind CHECK (kind IN ('stamps', 'points')), 
	CONSTRAINT ck_reward_threshold CHECK (threshold > 0)
);;

CREATE INDEX ix_reward_merchant_id_program_id ON reward (merchant_id, program_id);;

CREATE TABLE store (
	name TEXT NOT NULL, 
	qr_code_url TEXT NOT NULL, 
	program_id UUID NOT NULL, 
	staff_pin_hash BYTEA, 
	pin_salt BYTEA NOT NULL, 
	pin_pepper_version BIGINT DEFAULT '1' NOT NULL, 
	staff_pin_since TIMESTAMP WITH TIME ZONE, 
	phone_pins BOOLEAN DEFAULT 'true' NOT NULL, 
	address TEXT, 
	latitude DOUBLE PRECISION, 
	longitude DOUBLE PRECISION, 
	time_zone TEXT NOT NULL, 
	opening_hours JSONB DEFAULT '{}' NOT NULL, 
	created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL, 
	closed_at TIMESTAMP WITH TIME ZONE, 
	merchant_id UUID NOT NULL, 
	id UUID NOT NULL, 
	CONSTRAINT pk_store PRIMARY KEY (merchant_id, id), 
	CONSTRAINT fk_store_merchant_id FOREIGN KEY(merchant_id) REFERENCES merchant (id), 
	CONSTRAINT fk_store_merchant_id_program_id FOREIGN KEY(merchant_id, program_id) REFERENCES program (merchant_id, id)
);;

CREATE INDEX ix_store_merchant_id_program_id ON store (merchant_id, program_id);;

CREATE TABLE webhook_delivery (
	event_id UUID NOT NULL, 
	endpoint_id UUID NOT NULL, 
	status TEXT NOT NULL, 
	attempts BIGINT NOT NULL, 
	wanted_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	next_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	last_status BIGINT, 
	error TEXT DEFAULT '' NOT NULL, 
	finished_at TIMESTAMP WITH TIME ZONE, 
	merchant_id UUID NOT NULL, 
	id UUID NOT NULL, 
	CONSTRAINT pk_webhook_delivery PRIMARY KEY (merchant_id, id), 
	CONSTRAINT fk_webhook_delivery_merchant_id_event_id FOREIGN KEY(merchant_id, event_id) REFERENCES webhook_event (merchant_id, id), 
	CONSTRAINT fk_webhook_delivery_merchant_id_endpoint_id FOREIGN KEY(merchant_id, endpoint_id) REFERENCES webhook_endpoint (merchant_id, id), 
	CONSTRAINT uq_webhook_delivery_merchant_id_event_id_endpoint_id UNIQUE (merchant_id, event_id, endpoint_id), 
	CONSTRAINT ck_webhook_delivery_status CHECK (status IN ('waiting', 'delivered', 'failed'))
);;

CREATE INDEX ix_webhook_delivery_failed ON webhook_delivery (merchant_id, endpoint_id, id) WHERE status = 'failed';;

CREATE INDEX ix_webhook_delivery_merchant_id_endpoint_id_id ON webhook_delivery (merchant_id, endpoint_id, id);;

CREATE INDEX ix_webhook_delivery_waiting ON webhook_delivery (merchant_id, endpoint_id, next_at) WHERE status = 'waiting';;

CREATE TABLE pass_object (
	customer_id UUID NOT NULL, 
	store_id UUID NOT NULL, 
	program_id UUID NOT NULL, 
	card_number TEXT NOT NULL, 
	google_pass_id TEXT, 
	apple_serial TEXT, 
	apple_auth_token TEXT, 
	stamp_count BIGINT DEFAULT '0' NOT NULL, 
	points_balance BIGINT DEFAULT '0' NOT NULL, 
	reward_unlocked BOOLEAN DEFAULT 'false' NOT NULL, 
	rewards_banked JSONB DEFAULT '{}' NOT NULL, 
	rewards_kept JSONB DEFAULT '{}' NOT NULL, 
	last_stamp_at TIMESTAMP WITH TIME ZONE, 
	last_points_at TIMESTAMP WITH TIME ZONE, 
	first_stamp_at TIMESTAMP WITH TIME ZONE, 
	last_visit_at TIMESTAMP WITH TIME ZONE, 
	visits_day DATE, 
	visits_today BIGINT DEFAULT '0' NOT NULL, 
	known_stores UUID[] DEFAULT '{}' NOT NULL, 
	traits JSONB DEFAULT '{}' NOT NULL, 
	revision BIGINT DEFAULT '1' NOT NULL, 
	changed_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL, 
	update_tag BIGINT DEFAULT '0' NOT NULL, 
	status TEXT DEFAULT 'active' NOT NULL, 
	merged_into UUID, 
	token_version BIGINT DEFAULT '1' NOT NULL, 
	created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL, 
	merchant_id UUID NOT NULL, 
	id UUID NOT NULL, 
	CONSTRAINT pk_pass_object PRIMARY KEY (merchant_id, id), 
	CONSTRAINT fk_pass_object_merchant_id FOREIGN KEY(merchant_id) REFERENCES merchant (id), 
	CONSTRAINT fk_pass_object_merchant_id_customer_id FOREIGN KEY(merchant_id, customer_id) REFERENCES customer (merchant_id, id), 
	CONSTRAINT fk_pass_object_merchant_id_store_id FOREIGN KEY(merchant_id, store_id) REFERENCES store (merchant_id, id), 
	CONSTRAINT fk_pass_object_merchant_id_program_id FOREIGN KEY(merchant_id, program_id) REFERENCES program (merchant_id, id), 
	CONSTRAINT uq_pass_object_merchant_id_card_number UNIQUE (merchant_id, card_number), 
	CONSTRAINT ck_pass_object_status CHECK (status IN ('active', 'blocked', 'merged', 'erased'))
);;

CREATE INDEX ix_pass_object_merchant_id_customer_id ON pass_object (merchant_id, customer_id);;

CREATE INDEX ix_pass_object_merchant_id_merged_into ON pass_object (merchant_id, merged_into) WHERE merged_into IS NOT NULL;;

CREATE INDEX ix_pass_object_merchant_id_program_id ON pass_object (merchant_id, program_id);;

CREATE INDEX ix_pass_object_merchant_id_update_tag ON pass_object (merchant_id, update_tag);;

CREATE TABLE staff_device (
	store_id UUID NOT NULL, 
	name TEXT NOT NULL, 
	pairing_hash BYTEA, 
	pairing_lookup TEXT, 
	pairing_expires_at TIMESTAMP WITH TIME ZONE, 
	secret_hash BYTEA, 
	created_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	paired_at TIMESTAMP WITH TIME ZONE, 
	last_seen_at TIMESTAMP WITH TIME ZONE, 
	revoked_at TIMESTAMP WITH TIME ZONE, 
	shift_staff_id UUID, 
	shift_opened_at TIMESTAMP WITH TIME ZONE, 
	shift_active_at TIMESTAMP WITH TIME ZONE, 
	merchant_id UUID NOT NULL, 
	id UUID NOT NULL, 
	CONSTRAINT pk_staff_device PRIMARY KEY (merchant_id, id), 
	CONSTRAINT fk_staff_device_merchant_id_store_id FOREIGN KEY(merchant_id, store_id) REFERENCES store (merchant_id, id)
);;

CREATE TABLE staff_pin (
	merchant_id UUID NOT NULL, 
	store_id UUID NOT NULL, 
	pin_hash BYTEA NOT NULL, 
	pepper_version BIGINT NOT NULL, 
	staff_id UUID NOT NULL, 
	created_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	CONSTRAINT pk_staff_pin PRIMARY KEY (merchant_id, store_id, pin_hash), 
	CONSTRAINT fk_staff_pin_merchant_id_store_id FOREIGN KEY(merchant_id, store_id) REFERENCES store (merchant_id, id), 
	CONSTRAINT fk_staff_pin_merchant_id_staff_id FOREIGN KEY(merchant_id, staff_id) REFERENCES staff_member (merchant_id, id)
);;

CREATE INDEX ix_staff_pin_merchant_id_staff_id ON staff_pin (merchant_id, staff_id);;

CREATE TABLE webhook_attempt (
	delivery_id UUID NOT NULL, 
	at TIMESTAMP WITH TIME ZONE NOT NULL, 
	status BIGINT, 
	error TEXT NOT NULL, 
	milliseconds BIGINT NOT NULL, 
	answer TEXT NOT NULL, 
	merchant_id UUID NOT NULL, 
	id UUID NOT NULL, 
	CONSTRAINT pk_webhook_attempt PRIMARY KEY (merchant_id, id), 
	CONSTRAINT fk_webhook_attempt_merchant_id_delivery_id FOREIGN KEY(merchant_id, delivery_id) REFERENCES webhook_delivery (merchant_id, id)
);;

CREATE INDEX ix_webhook_attempt_merchant_id_delivery_id_id ON webhook_attempt (merchant_id, delivery_id, id);;

CREATE TABLE birthday_gift (
	customer_id UUID NOT NULL, 
	pass_id UUID NOT NULL, 
	year BIGINT NOT NULL, 
	celebrated_on DATE, 
	good_until DATE, 
	kind TEXT NOT NULL, 
	amount BIGINT DEFAULT '0' NOT NULL, 
	reward_id UUID, 
	title TEXT DEFAULT '' NOT NULL, 
	factor NUMERIC(4, 2), 
	factor_until DATE, 
	given_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	told_at TIMESTAMP WITH TIME ZONE, 
	outcome TEXT, 
	ended_at TIMESTAMP WITH TIME ZONE, 
	merchant_id UUID NOT NULL, 
	id UUID NOT NULL, 
	CONSTRAINT pk_birthday_gift PRIMARY KEY (merchant_id, id), 
	CONSTRAINT fk_birthday_gift_merchant_id_customer_id FOREIGN KEY(merchant_id, customer_id) REFERENCES customer (merchant_id, id), 
	CONSTRAINT fk_birthday_gift_merchant_id_pass_id FOREIGN KEY(merchant_id, pass_id) REFERENCES pass_object (merchant_id, id), 
	CONSTRAINT uq_birthday_gift_merchant_id_customer_id_year UNIQUE (merchant_id, customer_id, year), 
	CONSTRAINT ck_birthday_gift_kind CHECK (kind IN ('points', 'stamps', 'reward', 'factor')), 
	CONSTRAINT ck_birthday_gift_outcome CHECK (outcome IN ('redeemed', 'lapsed'))
);;

CREATE INDEX ix_birthday_gift_merchant_id_factor_until ON birthday_gift (merchant_id, factor_until) WHERE factor_until IS NOT NULL;;

CREATE INDEX ix_birthday_gift_merchant_id_given_at ON birthday_gift (merchant_id, given_at);;

CREATE INDEX ix_birthday_gift_merchant_id_good_until ON birthday_gift (merchant_id, good_until) WHERE kind = 'reward' AND outcome IS NULL;;

CREATE INDEX ix_birthday_gift_merchant_id_pass_id ON birthday_gift (merchant_id, pass_id);;

CREATE TABLE card_link (
	pass_id UUID NOT NULL, 
	purpose TEXT NOT NULL, 
	token_hash BYTEA NOT NULL, 
	merge_from UUID, 
	expires_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	used_at TIMESTAMP WITH TIME ZONE, 
	merchant_id UUID NOT NULL, 
	id UUID NOT NULL, 
	CONSTRAINT pk_card_link PRIMARY KEY (merchant_id, id), 
	CONSTRAINT fk_card_link_merchant_id_pass_id FOREIGN KEY(merchant_id, pass_id) REFERENCES pass_object (merchant_id, id)
);;

CREATE INDEX ix_card_link_merchant_id_pass_id ON card_link (merchant_id, pass_id);;

CREATE TABLE credit_account (
	merchant_id UUID NOT NULL, 
	pass_id UUID NOT NULL, 
	balance_minor BIGINT DEFAULT '0' NOT NULL, 
	CONSTRAINT pk_credit_account PRIMARY KEY (merchant_id, pass_id), 
	CONSTRAINT fk_credit_account_merchant_id_pass_id FOREIGN KEY(merchant_id, pass_id) REFERENCES pass_object (merchant_id, id)
);;

CREATE TABLE credit_entry (
	pass_id UUID NOT NULL, 
	store_id UUID, 
	visit_id UUID, 
	staff_id UUID, 
	kind TEXT NOT NULL, 
	amount_minor BIGINT NOT NULL, 
	balance_after BIGINT NOT NULL, 
	currency TEXT NOT NULL, 
	rule JSONB DEFAULT '{}' NOT NULL, 
	lots JSONB DEFAULT '[]' NOT NULL, 
	voids UUID, 
	at TIMESTAMP WITH TIME ZONE NOT NULL, 
	merchant_id UUID NOT NULL, 
	id UUID NOT NULL, 
	CONSTRAINT pk_credit_entry PRIMARY KEY (merchant_id, id), 
	CONSTRAINT fk_credit_entry_merchant_id_pass_id FOREIGN KEY(merchant_id, pass_id) REFERENCES pass_object (merchant_id, id), 
	CONSTRAINT fk_credit_entry_merchant_id_store_id FOREIGN KEY(merchant_id, store_id) REFERENCES store (merchant_id, id), 
	CONSTRAINT ck_credit_entry_kind CHECK (kind IN ('earn', 'spend', 'void', 'expire', 'adjust', 'transfer', 'erase')), 
	CONSTRAINT ck_credit_entry_amount CHECK (amount_minor <> 0)
);;

CREATE INDEX ix_credit_entry_merchant_id_at ON credit_entry (merchant_id, at);;

CREATE INDEX ix_credit_entry_merchant_id_pass_id_id ON credit_entry (merchant_id, pass_id, id);;

CREATE UNIQUE INDEX uq_credit_entry_visit ON credit_entry (merchant_id, visit_id, kind) WHERE kind IN ('earn', 'spend');;

CREATE UNIQUE INDEX uq_credit_entry_voids ON credit_entry (merchant_id, voids) WHERE voids IS NOT NULL;;

CREATE TABLE credit_lot (
	pass_id UUID NOT NULL, 
	remaining_minor BIGINT NOT NULL, 
	expired_minor BIGINT DEFAULT '0' NOT NULL, 
	earned_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	expires_at TIMESTAMP WITH TIME ZONE, 
	merchant_id UUID NOT NULL, 
	id UUID NOT NULL, 
	CONSTRAINT pk_credit_lot PRIMARY KEY (merchant_id, id), 
	CONSTRAINT fk_credit_lot_merchant_id_pass_id FOREIGN KEY(merchant_id, pass_id) REFERENCES pass_object (merchant_id, id), 
	CONSTRAINT ck_credit_lot_remaining CHECK (remaining_minor >= 0), 
	CONSTRAINT ck_credit_lot_expired CHECK (expired_minor >= 0)
);;

CREATE INDEX ix_credit_lot_due ON credit_lot (merchant_id, expires_at) WHERE remaining_minor > 0 AND expires_at IS NOT NULL;;

CREATE INDEX ix_credit_lot_merchant_id_pass_id ON credit_lot (merchant_id, pass_id);;

CREATE TABLE fraud_finding (
	rule TEXT NOT NULL, 
	key TEXT NOT NULL, 
	store_id UUID, 
	staff_id UUID, 
	pass_id UUID, 
	events JSONB NOT NULL, 
	first_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	last_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	found_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	status TEXT DEFAULT 'open' NOT NULL, 
	decided_at TIMESTAMP WITH TIME ZONE, 
	decided_by UUID, 
	merchant_id UUID NOT NULL, 
	id UUID NOT NULL, 
	CONSTRAINT pk_fraud_finding PRIMARY KEY (merchant_id, id), 
	CONSTRAINT fk_fraud_finding_merchant_id FOREIGN KEY(merchant_id) REFERENCES merchant (id), 
	CONSTRAINT fk_fraud_finding_merchant_id_store_id FOREIGN KEY(merchant_id, store_id) REFERENCES store (merchant_id, id), 
	CONSTRAINT fk_fraud_finding_merchant_id_pass_id FOREIGN KEY(merchant_id, pass_id) REFERENCES pass_object (merchant_id, id), 
	CONSTRAINT fk_fraud_finding_merchant_id_staff_id FOREIGN KEY(merchant_id, staff_id) REFERENCES staff_member (merchant_id, id), 
	CONSTRAINT ck_fraud_finding_status CHECK (status IN ('open', 'dismissed', 'confirmed')), 
	CONSTRAINT uq_fraud_finding_merchant_id_rule_key UNIQUE (merchant_id, rule, key)
);;

CREATE INDEX ix_fraud_finding_merchant_id_pass_id ON fraud_finding (merchant_id, pass_id);;

CREATE INDEX ix_fraud_finding_merchant_id_status_last_at ON fraud_finding (merchant_id, status, last_at);;

CREATE TABLE fraud_own_card (
	merchant_id UUID NOT NULL, 
	staff_id UUID NOT NULL, 
	pass_id UUID NOT NULL, 
	created_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	CONSTRAINT pk_fraud_own_card PRIMARY KEY (merchant_id, staff_id, pass_id), 
	CONSTRAINT fk_fraud_own_card_merchant_id_staff_id FOREIGN KEY(merchant_id, staff_id) REFERENCES staff_member (merchant_id, id), 
	CONSTRAINT fk_fraud_own_card_merchant_id_pass_id FOREIGN KEY(merchant_id, pass_id) REFERENCES pass_object (merchant_id, id)
);;

CREATE INDEX ix_fraud_own_card_merchant_id_pass_id ON fraud_own_card (merchant_id, pass_id);;

CREATE TABLE gift (
	pass_id UUID NOT NULL, 
	reason TEXT NOT NULL, 
	key TEXT NOT NULL, 
	stamps BIGINT DEFAULT '0' NOT NULL, 
	points BIGINT DEFAULT '0' NOT NULL, 
	reward_id UUID, 
	given JSONB DEFAULT '{}' NOT NULL, 
	given_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	taken_back_at TIMESTAMP WITH TIME ZONE, 
	merchant_id UUID NOT NULL, 
	id UUID NOT NULL, 
	CONSTRAINT pk_gift PRIMARY KEY (merchant_id, id), 
	CONSTRAINT fk_gift_merchant_id_pass_id FOREIGN KEY(merchant_id, pass_id) REFERENCES pass_object (merchant_id, id), 
	CONSTRAINT uq_gift_merchant_id_reason_key UNIQUE (merchant_id, reason, key)
);;

CREATE INDEX ix_gift_merchant_id_pass_id_id ON gift (merchant_id, pass_id, id);;

CREATE TABLE points_event (
	pass_id UUID NOT NULL, 
	store_id UUID NOT NULL, 
	visit_id UUID, 
	redemption_id UUID, 
	staff_id UUID, 
	kind TEXT NOT NULL, 
	points_added BIGINT NOT NULL, 
	amount_minor BIGINT, 
	balance_after BIGINT NOT NULL, 
	rule JSONB DEFAULT '{}' NOT NULL, 
	lots JSONB DEFAULT '[]' NOT NULL, 
	voids UUID, 
	timestamp TIMESTAMP WITH TIME ZONE NOT NULL, 
	merchant_id UUID NOT NULL, 
	id UUID NOT NULL, 
	CONSTRAINT pk_points_event PRIMARY KEY (merchant_id, id), 
	CONSTRAINT fk_points_event_merchant_id_pass_id FOREIGN KEY(merchant_id, pass_id) REFERENCES pass_object (merchant_id, id), 
	CONSTRAINT fk_points_event_merchant_id_store_id FOREIGN KEY(merchant_id, store_id) REFERENCES store (merchant_id, id), 
	CONSTRAINT ck_points_event_kind CHECK (kind IN ('earn', 'redeem', 'void', 'expire', 'adjust', 'transfer', 'gift'))
)
 PARTITION BY RANGE (id);;

CREATE INDEX ix_points_event_merchant_id_pass_id_id ON points_event (merchant_id, pass_id, id);;

CREATE INDEX ix_points_event_merchant_id_store_id_id ON points_event (merchant_id, store_id, id);;

CREATE TABLE points_lot (
	pass_id UUID NOT NULL, 
	remaining BIGINT NOT NULL, 
	earned_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	expires_at TIMESTAMP WITH TIME ZONE, 
	merchant_id UUID NOT NULL, 
	id UUID NOT NULL, 
	CONSTRAINT pk_points_lot PRIMARY KEY (merchant_id, id), 
	CONSTRAINT fk_points_lot_merchant_id_pass_id FOREIGN KEY(merchant_id, pass_id) REFERENCES pass_object (merchant_id, id), 
	CONSTRAINT ck_points_lot_remaining CHECK (remaining >= 0)
);;

CREATE INDEX ix_points_lot_due ON points_lot (expires_at) WHERE remaining > 0 AND expires_at IS NOT NULL;;

CREATE INDEX ix_points_lot_merchant_id_pass_id ON points_lot (merchant_id, pass_id) WHERE remaining > 0;;

CREATE TABLE privacy_request (
	customer_id UUID NOT NULL, 
	pass_id UUID NOT NULL, 
	kind TEXT NOT NULL, 
	token_hash BYTEA, 
	new_email TEXT, 
	created_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	expires_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	done_at TIMESTAMP WITH TIME ZONE, 
	merchant_id UUID NOT NULL, 
	id UUID NOT NULL, 
	CONSTRAINT pk_privacy_request PRIMARY KEY (merchant_id, id), 
	CONSTRAINT fk_privacy_request_merchant_id_customer_id FOREIGN KEY(merchant_id, customer_id) REFERENCES customer (merchant_id, id), 
	CONSTRAINT fk_privacy_request_merchant_id_pass_id FOREIGN KEY(merchant_id, pass_id) REFERENCES pass_object (merchant_id, id), 
	CONSTRAINT ck_privacy_request_kind CHECK (kind IN ('erase', 'change_email', 'remove_email'))
);;

CREATE INDEX ix_privacy_request_merchant_id_created_at ON privacy_request (merchant_id, created_at);;

CREATE INDEX ix_privacy_request_merchant_id_customer_id ON privacy_request (merchant_id, customer_id);;

CREATE TABLE redemption (
	reward_id UUID NOT NULL, 
	pass_id UUID NOT NULL, 
	store_id UUID NOT NULL, 
	staff_id UUID, 
	given_by TEXT NOT NULL, 
	device_id UUID, 
	kind TEXT NOT NULL, 
	cost BIGINT NOT NULL, 
	taken JSONB DEFAULT '{}' NOT NULL, 
	redeemed_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	voided_at TIMESTAMP WITH TIME ZONE, 
	voided_by UUID, 
	void_reason TEXT, 
	merchant_id UUID NOT NULL, 
	id UUID NOT NULL, 
	CONSTRAINT pk_redemption PRIMARY KEY (merchant_id, id), 
	CONSTRAINT fk_redemption_merchant_id_reward_id FOREIGN KEY(merchant_id, reward_id) REFERENCES reward (merchant_id, id), 
	CONSTRAINT fk_redemption_merchant_id_pass_id FOREIGN KEY(merchant_id, pass_id) REFERENCES pass_object (merchant_id, id), 
	CONSTRAINT fk_redemption_merchant_id_store_id FOREIGN KEY(merchant_id, store_id) REFERENCES store (merchant_id, id)
);;

CREATE INDEX ix_redemption_merchant_id_pass_id_id ON redemption (merchant_id, pass_id, id);;

CREATE INDEX ix_redemption_merchant_id_store_id_id ON redemption (merchant_id, store_id, id);;

CREATE TABLE referral (
	inviter_pass_id UUID NOT NULL, 
	friend_pass_id UUID NOT NULL, 
	friend_id UUID NOT NULL, 
	status TEXT DEFAULT 'joined' NOT NULL, 
	promise JSONB DEFAULT '{}' NOT NULL, 
	visits_needed BIGINT DEFAULT '1' NOT NULL, 
	reasons JSONB DEFAULT '[]' NOT NULL, 
	visit_id UUID, 
	attempt BIGINT DEFAULT '1' NOT NULL, 
	inviter_outcome TEXT DEFAULT '' NOT NULL, 
	friend_outcome TEXT DEFAULT '' NOT NULL, 
	joined_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	look_at TIMESTAMP WITH TIME ZONE, 
	approved_at TIMESTAMP WITH TIME ZONE, 
	decided_by UUID, 
	given_at TIMESTAMP WITH TIME ZONE, 
	merchant_id UUID NOT NULL, 
	id UUID NOT NULL, 
	CONSTRAINT pk_referral PRIMARY KEY (merchant_id, id), 
	CONSTRAINT fk_referral_merchant_id_inviter_pass_id FOREIGN KEY(merchant_id, inviter_pass_id) REFERENCES pass_object (merchant_id, id), 
	CONSTRAINT fk_referral_merchant_id_friend_pass_id FOREIGN KEY(merchant_id, friend_pass_id) REFERENCES pass_object (merchant_id, id), 
	CONSTRAINT uq_referral_merchant_id_friend_id UNIQUE (merchant_id, friend_id), 
	CONSTRAINT ck_referral_two CHECK (inviter_pass_id <> friend_pass_id), 
	CONSTRAINT ck_referral_status CHECK (status IN ('joined', 'review', 'due', 'given', 'declined', 'ended'))
);;

CREATE INDEX ix_referral_merchant_id_friend_pass_id ON referral (merchant_id, friend_pass_id);;

CREATE INDEX ix_referral_merchant_id_inviter_pass_id_id ON referral (merchant_id, inviter_pass_id, id);;

CREATE INDEX ix_referral_merchant_id_look_at ON referral (merchant_id, look_at) WHERE look_at IS NOT NULL;;

CREATE INDEX ix_referral_merchant_id_status_id ON referral (merchant_id, status, id);;

CREATE TABLE referral_link (
	merchant_id UUID NOT NULL, 
	pass_id UUID NOT NULL, 
	code TEXT NOT NULL, 
	invited BIGINT DEFAULT '0' NOT NULL, 
	created_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	CONSTRAINT pk_referral_link PRIMARY KEY (merchant_id, pass_id), 
	CONSTRAINT fk_referral_link_merchant_id_pass_id FOREIGN KEY(merchant_id, pass_id) REFERENCES pass_object (merchant_id, id), 
	CONSTRAINT uq_referral_link_merchant_id_code UNIQUE (merchant_id, code)
);;

CREATE TABLE stamp_event (
	pass_id UUID NOT NULL, 
	store_id UUID NOT NULL, 
	visit_id UUID, 
	redemption_id UUID, 
	staff_id UUID, 
	kind TEXT NOT NULL, 
	stamps_added BIGINT NOT NULL, 
	balance_after BIGINT NOT NULL, 
	rule JSONB DEFAULT '{}' NOT NULL, 
	voids UUID, 
	timestamp TIMESTAMP WITH TIME ZONE NOT NULL, 
	merchant_id UUID NOT NULL, 
	id UUID NOT NULL, 
	CONSTRAINT pk_stamp_event PRIMARY KEY (merchant_id, id), 
	CONSTRAINT fk_stamp_event_merchant_id_pass_id FOREIGN KEY(merchant_id, pass_id) REFERENCES pass_object (merchant_id, id), 
	CONSTRAINT fk_stamp_event_merchant_id_store_id FOREIGN KEY(merchant_id, store_id) REFERENCES store (merchant_id, id), 
	CONSTRAINT ck_stamp_event_kind CHECK (kind IN ('earn', 'redeem', 'void', 'bank', 'expire', 'adjust', 'transfer', 'gift'))
)
 PARTITION BY RANGE (id);;

CREATE INDEX ix_stamp_event_merchant_id_pass_id_id ON stamp_event (merchant_id, pass_id, id);;

CREATE INDEX ix_stamp_event_merchant_id_store_id_id ON stamp_event (merchant_id, store_id, id);;

CREATE TABLE tier_move (
	pass_id UUID NOT NULL, 
	before_id UUID, 
	after_id UUID, 
	why TEXT NOT NULL, 
	on_day DATE NOT NULL, 
	at TIMESTAMP WITH TIME ZONE NOT NULL, 
	merchant_id UUID NOT NULL, 
	id UUID NOT NULL, 
	CONSTRAINT pk_tier_move PRIMARY KEY (merchant_id, id), 
	CONSTRAINT fk_tier_move_merchant_id_pass_id FOREIGN KEY(merchant_id, pass_id) REFERENCES pass_object (merchant_id, id), 
	CONSTRAINT fk_tier_move_merchant_id_before_id FOREIGN KEY(merchant_id, before_id) REFERENCES tier_level (merchant_id, id), 
	CONSTRAINT fk_tier_move_merchant_id_after_id FOREIGN KEY(merchant_id, after_id) REFERENCES tier_level (merchant_id, id), 
	CONSTRAINT ck_tier_move_why CHECK (why IN ('reached', 'lapsed', 'corrected'))
);;

CREATE INDEX ix_tier_move_merchant_id_on_day ON tier_move (merchant_id, on_day);;

CREATE INDEX ix_tier_move_merchant_id_pass_id_id ON tier_move (merchant_id, pass_id, id);;

CREATE TABLE tier_standing (
	merchant_id UUID NOT NULL, 
	pass_id UUID NOT NULL, 
	level_id UUID, 
	since DATE, 
	period_end DATE, 
	held_until DATE, 
	seen_on DATE NOT NULL, 
	qualifying BIGINT DEFAULT '0' NOT NULL, 
	before JSONB, 
	moved_at TIMESTAMP WITH TIME ZONE, 
	CONSTRAINT pk_tier_standing PRIMARY KEY (merchant_id, pass_id), 
	CONSTRAINT fk_tier_standing_merchant_id_pass_id FOREIGN KEY(merchant_id, pass_id) REFERENCES pass_object (merchant_id, id), 
	CONSTRAINT fk_tier_standing_merchant_id_level_id FOREIGN KEY(merchant_id, level_id) REFERENCES tier_level (merchant_id, id)
);;

CREATE INDEX ix_tier_standing_merchant_id_held_until ON tier_standing (merchant_id, held_until) WHERE held_until IS NOT NULL;;

CREATE INDEX ix_tier_standing_merchant_id_level_id ON tier_standing (merchant_id, level_id);;

CREATE TABLE visit (
	store_id UUID NOT NULL, 
	pass_id UUID NOT NULL, 
	staff_id UUID, 
	given_by TEXT NOT NULL, 
	device_id UUID, 
	source TEXT NOT NULL, 
	amount_minor BIGINT, 
	currency TEXT NOT NULL, 
	stamps BIGINT DEFAULT '0' NOT NULL, 
	points BIGINT DEFAULT '0' NOT NULL, 
	idempotency_key TEXT, 
	explanation JSONB DEFAULT '[]' NOT NULL, 
	at TIMESTAMP WITH TIME ZONE NOT NULL, 
	voided_at TIMESTAMP WITH TIME ZONE, 
	voided_by UUID, 
	void_reason TEXT, 
	merchant_id UUID NOT NULL, 
	id UUID NOT NULL, 
	CONSTRAINT pk_visit PRIMARY KEY (merchant_id, id), 
	CONSTRAINT fk_visit_merchant_id_store_id FOREIGN KEY(merchant_id, store_id) REFERENCES store (merchant_id, id), 
	CONSTRAINT fk_visit_merchant_id_pass_id FOREIGN KEY(merchant_id, pass_id) REFERENCES pass_object (merchant_id, id), 
	CONSTRAINT ck_visit_source CHECK (source IN ('customer_phone', 'staff_device', 'pos', 'receipt'))
)
 PARTITION BY RANGE (id);;

CREATE INDEX ix_visit_merchant_id_at ON visit (merchant_id, at);;

CREATE INDEX ix_visit_merchant_id_pass_id_id ON visit (merchant_id, pass_id, id);;

CREATE INDEX ix_visit_merchant_id_store_id_id ON visit (merchant_id, store_id, id);;

CREATE TABLE visit_trace (
	merchant_id UUID NOT NULL, 
	visit_id UUID NOT NULL, 
	pass_id UUID NOT NULL, 
	at TIMESTAMP WITH TIME ZONE NOT NULL, 
	address_hash BYTEA NOT NULL, 
	agent_hash BYTEA NOT NULL, 
	device_hash BYTEA, 
	CONSTRAINT pk_visit_trace PRIMARY KEY (merchant_id, visit_id), 
	CONSTRAINT fk_visit_trace_merchant_id_pass_id FOREIGN KEY(merchant_id, pass_id) REFERENCES pass_object (merchant_id, id)
);;

CREATE INDEX ix_visit_trace_merchant_id_at ON visit_trace (merchant_id, at);;

CREATE INDEX ix_visit_trace_merchant_id_device_hash_at ON visit_trace (merchant_id, device_hash, at);;

CREATE INDEX ix_visit_trace_merchant_id_pass_id ON visit_trace (merchant_id, pass_id);;

CREATE TABLE wallet_message (
	pass_id UUID NOT NULL, 
	once_key TEXT NOT NULL, 
	header TEXT NOT NULL, 
	body TEXT NOT NULL, 
	google TEXT DEFAULT 'waiting' NOT NULL, 
	created_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	expires_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	merchant_id UUID NOT NULL, 
	id UUID NOT NULL, 
	CONSTRAINT pk_wallet_message PRIMARY KEY (merchant_id, id), 
	CONSTRAINT fk_wallet_message_merchant_id_pass_id FOREIGN KEY(merchant_id, pass_id) REFERENCES pass_object (merchant_id, id)
);;

CREATE UNIQUE INDEX uq_wallet_message_once ON wallet_message (merchant_id, pass_id, once_key);;

ALTER TABLE apple_device_registration ENABLE ROW LEVEL SECURITY;;

ALTER TABLE apple_device_registration FORCE ROW LEVEL SECURITY;;

CREATE POLICY tenant ON apple_device_registration TO stempel_app USING (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid)) WITH CHECK (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid));;

CREATE POLICY owner ON apple_device_registration TO CURRENT_USER USING (true) WITH CHECK (true);;

GRANT SELECT, INSERT, UPDATE, DELETE ON apple_device_registration TO stempel_app;;

CREATE POLICY system_select ON apple_device_registration FOR SELECT TO stempel_system USING (true);;

GRANT SELECT ON apple_device_registration TO stempel_system;;

GRANT SELECT, INSERT, UPDATE, DELETE ON apple_health TO stempel_app;;

GRANT SELECT, INSERT, UPDATE, DELETE ON apple_health TO stempel_system;;

GRANT SELECT ON backup_run TO stempel_app;;

GRANT SELECT ON backup_run TO stempel_system;;

ALTER TABLE card_refresh ENABLE ROW LEVEL SECURITY;;

ALTER TABLE card_refresh FORCE ROW LEVEL SECURITY;;

CREATE POLICY tenant ON card_refresh TO stempel_app USING (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid)) WITH CHECK (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid));;

CREATE POLICY owner ON card_refresh TO CURRENT_USER USING (true) WITH CHECK (true);;

GRANT SELECT, INSERT, UPDATE, DELETE ON card_refresh TO stempel_app;;

CREATE POLICY system_select ON card_refresh FOR SELECT TO stempel_system USING (true);;

GRANT SELECT ON card_refresh TO stempel_system;;

CREATE POLICY system_update ON card_refresh FOR UPDATE TO stempel_system USING (true);;

GRANT UPDATE ON card_refresh TO stempel_system;;

CREATE POLICY system_delete ON card_refresh FOR DELETE TO stempel_system USING (true);;

GRANT DELETE ON card_refresh TO stempel_system;;

GRANT SELECT, INSERT, UPDATE, DELETE ON google_pace TO stempel_app;;

GRANT SELECT, INSERT, UPDATE, DELETE ON google_pace TO stempel_system;;

GRANT SELECT, INSERT ON key_check TO stempel_app;;

GRANT SELECT, INSERT ON key_check TO stempel_system;;

GRANT SELECT, INSERT, DELETE ON lookup TO stempel_app;;

GRANT SELECT, INSERT, DELETE ON lookup TO stempel_system;;

ALTER TABLE mail_day ENABLE ROW LEVEL SECURITY;;

ALTER TABLE mail_day FORCE ROW LEVEL SECURITY;;

CREATE POLICY tenant ON mail_day TO stempel_app USING (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid)) WITH CHECK (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid));;

CREATE POLICY owner ON mail_day TO CURRENT_USER USING (true) WITH CHECK (true);;

GRANT SELECT, INSERT, UPDATE, DELETE ON mail_day TO stempel_app;;

GRANT SELECT, INSERT, UPDATE, DELETE ON mail_pace TO stempel_app;;

GRANT SELECT, INSERT, UPDATE, DELETE ON mail_pace TO stempel_system;;

ALTER TABLE mail_suppression ENABLE ROW LEVEL SECURITY;;

ALTER TABLE mail_suppression FORCE ROW LEVEL SECURITY;;

CREATE POLICY tenant ON mail_suppression TO stempel_app USING (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid)) WITH CHECK (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid));;

CREATE POLICY owner ON mail_suppression TO CURRENT_USER USING (true) WITH CHECK (true);;

GRANT SELECT, INSERT, UPDATE, DELETE ON mail_suppression TO stempel_app;;

ALTER TABLE member_link ENABLE ROW LEVEL SECURITY;;

ALTER TABLE member_link FORCE ROW LEVEL SECURITY;;

CREATE POLICY tenant ON member_link TO stempel_app USING (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid)) WITH CHECK (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid));;

CREATE POLICY owner ON member_link TO CURRENT_USER USING (true) WITH CHECK (true);;

GRANT SELECT, INSERT, UPDATE, DELETE ON member_link TO stempel_app;;

CREATE POLICY system_select ON member_link FOR SELECT TO stempel_system USING (true);;

GRANT SELECT ON member_link TO stempel_system;;

CREATE POLICY system_delete ON member_link FOR DELETE TO stempel_system USING (true);;

GRANT DELETE ON member_link TO stempel_system;;

ALTER TABLE merchant ENABLE ROW LEVEL SECURITY;;

ALTER TABLE merchant FORCE ROW LEVEL SECURITY;;

CREATE POLICY tenant ON merchant TO stempel_app USING (id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid)) WITH CHECK (id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid));;

CREATE POLICY owner ON merchant TO CURRENT_USER USING (true) WITH CHECK (true);;

GRANT SELECT, INSERT, UPDATE, DELETE ON merchant TO stempel_app;;

CREATE POLICY system_select ON merchant FOR SELECT TO stempel_system USING (true);;

GRANT SELECT ON merchant TO stempel_system;;

GRANT SELECT, INSERT, UPDATE, DELETE ON operator TO stempel_app;;

GRANT SELECT, INSERT, UPDATE, DELETE ON operator TO stempel_system;;

GRANT SELECT, INSERT ON operator_entry TO stempel_app;;

GRANT SELECT, INSERT ON operator_entry TO stempel_system;;

GRANT SELECT, INSERT, UPDATE, DELETE ON operator_session TO stempel_app;;

GRANT SELECT, INSERT, UPDATE, DELETE ON operator_session TO stempel_system;;

ALTER TABLE outbox_message ENABLE ROW LEVEL SECURITY;;

ALTER TABLE outbox_message FORCE ROW LEVEL SECURITY;;

CREATE POLICY tenant ON outbox_message TO stempel_app USING (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid)) WITH CHECK (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid));;

CREATE POLICY owner ON outbox_message TO CURRENT_USER USING (true) WITH CHECK (true);;

GRANT SELECT, INSERT, UPDATE, DELETE ON outbox_message TO stempel_app;;

CREATE POLICY system_select ON outbox_message FOR SELECT TO stempel_system USING (true);;

GRANT SELECT ON outbox_message TO stempel_system;;

GRANT SELECT, INSERT, UPDATE, DELETE ON passkey_challenge TO stempel_app;;

GRANT SELECT, INSERT, UPDATE, DELETE ON passkey_challenge TO stempel_system;;

ALTER TABLE rollup_pending ENABLE ROW LEVEL SECURITY;;

ALTER TABLE rollup_pending FORCE ROW LEVEL SECURITY;;

CREATE POLICY tenant ON rollup_pending TO stempel_app USING (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid)) WITH CHECK (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid));;

CREATE POLICY owner ON rollup_pending TO CURRENT_USER USING (true) WITH CHECK (true);;

GRANT SELECT, INSERT, UPDATE, DELETE ON rollup_pending TO stempel_app;;

CREATE POLICY system_select ON rollup_pending FOR SELECT TO stempel_system USING (true);;

GRANT SELECT ON rollup_pending TO stempel_system;;

CREATE POLICY system_insert ON rollup_pending FOR INSERT TO stempel_system WITH CHECK (true);;

GRANT INSERT ON rollup_pending TO stempel_system;;

CREATE POLICY system_update ON rollup_pending FOR UPDATE TO stempel_system USING (true);;

GRANT UPDATE ON rollup_pending TO stempel_system;;

GRANT SELECT, INSERT, UPDATE, DELETE ON sign_in_limit TO stempel_app;;

GRANT SELECT, INSERT, UPDATE, DELETE ON sign_in_limit TO stempel_system;;

ALTER TABLE sign_up ENABLE ROW LEVEL SECURITY;;

ALTER TABLE sign_up FORCE ROW LEVEL SECURITY;;

CREATE POLICY tenant ON sign_up TO stempel_app USING (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid)) WITH CHECK (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid));;

CREATE POLICY owner ON sign_up TO CURRENT_USER USING (true) WITH CHECK (true);;

GRANT SELECT, INSERT, UPDATE, DELETE ON sign_up TO stempel_app;;

CREATE POLICY system_select ON sign_up FOR SELECT TO stempel_system USING (true);;

GRANT SELECT ON sign_up TO stempel_system;;

CREATE POLICY system_delete ON sign_up FOR DELETE TO stempel_system USING (true);;

GRANT DELETE ON sign_up TO stempel_system;;

GRANT SELECT, INSERT, UPDATE, DELETE ON sign_up_invitation TO stempel_app;;

GRANT SELECT, INSERT, UPDATE, DELETE ON sign_up_invitation TO stempel_system;;

ALTER TABLE tier_level ENABLE ROW LEVEL SECURITY;;

ALTER TABLE tier_level FORCE ROW LEVEL SECURITY;;

CREATE POLICY tenant ON tier_level TO stempel_app USING (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid)) WITH CHECK (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid));;

CREATE POLICY owner ON tier_level TO CURRENT_USER USING (true) WITH CHECK (true);;

GRANT SELECT, INSERT, UPDATE, DELETE ON tier_level TO stempel_app;;

GRANT SELECT, INSERT, UPDATE, DELETE ON update_counter TO stempel_app;;

GRANT SELECT, INSERT, UPDATE, DELETE ON update_counter TO stempel_system;;

ALTER TABLE api_key ENABLE ROW LEVEL SECURITY;;

ALTER TABLE api_key FORCE ROW LEVEL SECURITY;;

CREATE POLICY tenant ON api_key TO stempel_app USING (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid)) WITH CHECK (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid));;

CREATE POLICY owner ON api_key TO CURRENT_USER USING (true) WITH CHECK (true);;

GRANT SELECT, INSERT, UPDATE, DELETE ON api_key TO stempel_app;;

ALTER TABLE audit_entry ENABLE ROW LEVEL SECURITY;;

ALTER TABLE audit_entry FORCE ROW LEVEL SECURITY;;

CREATE POLICY tenant ON audit_entry TO stempel_app USING (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid)) WITH CHECK (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid));;

CREATE POLICY owner ON audit_entry TO CURRENT_USER USING (true) WITH CHECK (true);;

GRANT SELECT, INSERT ON audit_entry TO stempel_app;;

ALTER TABLE billing_account ENABLE ROW LEVEL SECURITY;;

ALTER TABLE billing_account FORCE ROW LEVEL SECURITY;;

CREATE POLICY tenant ON billing_account TO stempel_app USING (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid)) WITH CHECK (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid));;

CREATE POLICY owner ON billing_account TO CURRENT_USER USING (true) WITH CHECK (true);;

GRANT SELECT, INSERT, UPDATE, DELETE ON billing_account TO stempel_app;;

ALTER TABLE business_closing ENABLE ROW LEVEL SECURITY;;

ALTER TABLE business_closing FORCE ROW LEVEL SECURITY;;

CREATE POLICY tenant ON business_closing TO stempel_app USING (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid)) WITH CHECK (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid));;

CREATE POLICY owner ON business_closing TO CURRENT_USER USING (true) WITH CHECK (true);;

GRANT SELECT, INSERT, UPDATE, DELETE ON business_closing TO stempel_app;;

ALTER TABLE consent_record ENABLE ROW LEVEL SECURITY;;

ALTER TABLE consent_record FORCE ROW LEVEL SECURITY;;

CREATE POLICY tenant ON consent_record TO stempel_app USING (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid)) WITH CHECK (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid));;

CREATE POLICY owner ON consent_record TO CURRENT_USER USING (true) WITH CHECK (true);;

GRANT SELECT, INSERT ON consent_record TO stempel_app;;

ALTER TABLE customer ENABLE ROW LEVEL SECURITY;;

ALTER TABLE customer FORCE ROW LEVEL SECURITY;;

CREATE POLICY tenant ON customer TO stempel_app USING (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid)) WITH CHECK (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid));;

CREATE POLICY owner ON customer TO CURRENT_USER USING (true) WITH CHECK (true);;

GRANT SELECT, INSERT, UPDATE, DELETE ON customer TO stempel_app;;

ALTER TABLE customer_value ENABLE ROW LEVEL SECURITY;;

ALTER TABLE customer_value FORCE ROW LEVEL SECURITY;;

CREATE POLICY tenant ON customer_value TO stempel_app USING (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid)) WITH CHECK (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid));;

CREATE POLICY owner ON customer_value TO CURRENT_USER USING (true) WITH CHECK (true);;

GRANT SELECT, INSERT, UPDATE, DELETE ON customer_value TO stempel_app;;

ALTER TABLE design_picture ENABLE ROW LEVEL SECURITY;;

ALTER TABLE design_picture FORCE ROW LEVEL SECURITY;;

CREATE POLICY tenant ON design_picture TO stempel_app USING (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid)) WITH CHECK (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid));;

CREATE POLICY owner ON design_picture TO CURRENT_USER USING (true) WITH CHECK (true);;

GRANT SELECT, INSERT, UPDATE, DELETE ON design_picture TO stempel_app;;

ALTER TABLE export_chunk ENABLE ROW LEVEL SECURITY;;

ALTER TABLE export_chunk FORCE ROW LEVEL SECURITY;;

CREATE POLICY tenant ON export_chunk TO stempel_app USING (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid)) WITH CHECK (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid));;

CREATE POLICY owner ON export_chunk TO CURRENT_USER USING (true) WITH CHECK (true);;

GRANT SELECT, INSERT, UPDATE, DELETE ON export_chunk TO stempel_app;;

ALTER TABLE export_file ENABLE ROW LEVEL SECURITY;;

ALTER TABLE export_file FORCE ROW LEVEL SECURITY;;

CREATE POLICY tenant ON export_file TO stempel_app USING (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid)) WITH CHECK (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid));;

CREATE POLICY owner ON export_file TO CURRENT_USER USING (true) WITH CHECK (true);;

GRANT SELECT, INSERT, UPDATE, DELETE ON export_file TO stempel_app;;

CREATE POLICY system_select ON export_file FOR SELECT TO stempel_system USING (true);;

GRANT SELECT ON export_file TO stempel_system;;

ALTER TABLE fraud_scan ENABLE ROW LEVEL SECURITY;;

ALTER TABLE fraud_scan FORCE ROW LEVEL SECURITY;;

CREATE POLICY tenant ON fraud_scan TO stempel_app USING (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid)) WITH CHECK (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid));;

CREATE POLICY owner ON fraud_scan TO CURRENT_USER USING (true) WITH CHECK (true);;

GRANT SELECT, INSERT, UPDATE, DELETE ON fraud_scan TO stempel_app;;

ALTER TABLE google_account ENABLE ROW LEVEL SECURITY;;

ALTER TABLE google_account FORCE ROW LEVEL SECURITY;;

CREATE POLICY tenant ON google_account TO stempel_app USING (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid)) WITH CHECK (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid));;

CREATE POLICY owner ON google_account TO CURRENT_USER USING (true) WITH CHECK (true);;

GRANT SELECT, INSERT, UPDATE, DELETE ON google_account TO stempel_app;;

ALTER TABLE google_class ENABLE ROW LEVEL SECURITY;;

ALTER TABLE google_class FORCE ROW LEVEL SECURITY;;

CREATE POLICY tenant ON google_class TO stempel_app USING (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid)) WITH CHECK (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid));;

CREATE POLICY owner ON google_class TO CURRENT_USER USING (true) WITH CHECK (true);;

GRANT SELECT, INSERT, UPDATE, DELETE ON google_class TO stempel_app;;

ALTER TABLE google_nonce ENABLE ROW LEVEL SECURITY;;

ALTER TABLE google_nonce FORCE ROW LEVEL SECURITY;;

CREATE POLICY tenant ON google_nonce TO stempel_app USING (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid)) WITH CHECK (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid));;

CREATE POLICY owner ON google_nonce TO CURRENT_USER USING (true) WITH CHECK (true);;

GRANT SELECT, INSERT, UPDATE, DELETE ON google_nonce TO stempel_app;;

ALTER TABLE google_object ENABLE ROW LEVEL SECURITY;;

ALTER TABLE google_object FORCE ROW LEVEL SECURITY;;

CREATE POLICY tenant ON google_object TO stempel_app USING (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid)) WITH CHECK (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid));;

CREATE POLICY owner ON google_object TO CURRENT_USER USING (true) WITH CHECK (true);;

GRANT SELECT, INSERT, UPDATE, DELETE ON google_object TO stempel_app;;

ALTER TABLE half_sign_in ENABLE ROW LEVEL SECURITY;;

ALTER TABLE half_sign_in FORCE ROW LEVEL SECURITY;;

CREATE POLICY tenant ON half_sign_in TO stempel_app USING (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid)) WITH CHECK (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid));;

CREATE POLICY owner ON half_sign_in TO CURRENT_USER USING (true) WITH CHECK (true);;

GRANT SELECT, INSERT, UPDATE, DELETE ON half_sign_in TO stempel_app;;

CREATE POLICY system_select ON half_sign_in FOR SELECT TO stempel_system USING (true);;

GRANT SELECT ON half_sign_in TO stempel_system;;

CREATE POLICY system_delete ON half_sign_in FOR DELETE TO stempel_system USING (true);;

GRANT DELETE ON half_sign_in TO stempel_system;;

ALTER TABLE idempotency_key ENABLE ROW LEVEL SECURITY;;

ALTER TABLE idempotency_key FORCE ROW LEVEL SECURITY;;

CREATE POLICY tenant ON idempotency_key TO stempel_app USING (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid)) WITH CHECK (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid));;

CREATE POLICY owner ON idempotency_key TO CURRENT_USER USING (true) WITH CHECK (true);;

GRANT SELECT, INSERT, UPDATE, DELETE ON idempotency_key TO stempel_app;;

CREATE POLICY system_select ON idempotency_key FOR SELECT TO stempel_system USING (true);;

GRANT SELECT ON idempotency_key TO stempel_system;;

CREATE POLICY system_delete ON idempotency_key FOR DELETE TO stempel_system USING (true);;

GRANT DELETE ON idempotency_key TO stempel_system;;

ALTER TABLE import_run ENABLE ROW LEVEL SECURITY;;

ALTER TABLE import_run FORCE ROW LEVEL SECURITY;;

CREATE POLICY tenant ON import_run TO stempel_app USING (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid)) WITH CHECK (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid));;

CREATE POLICY owner ON import_run TO CURRENT_USER USING (true) WITH CHECK (true);;

GRANT SELECT, INSERT, UPDATE, DELETE ON import_run TO stempel_app;;

ALTER TABLE member ENABLE ROW LEVEL SECURITY;;

ALTER TABLE member FORCE ROW LEVEL SECURITY;;

CREATE POLICY tenant ON member TO stempel_app USING (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid)) WITH CHECK (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid));;

CREATE POLICY owner ON member TO CURRENT_USER USING (true) WITH CHECK (true);;

GRANT SELECT, INSERT, UPDATE, DELETE ON member TO stempel_app;;

ALTER TABLE member_invitation ENABLE ROW LEVEL SECURITY;;

ALTER TABLE member_invitation FORCE ROW LEVEL SECURITY;;

CREATE POLICY tenant ON member_invitation TO stempel_app USING (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid)) WITH CHECK (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid));;

CREATE POLICY owner ON member_invitation TO CURRENT_USER USING (true) WITH CHECK (true);;

GRANT SELECT, INSERT, UPDATE, DELETE ON member_invitation TO stempel_app;;

CREATE POLICY system_select ON member_invitation FOR SELECT TO stempel_system USING (true);;

GRANT SELECT ON member_invitation TO stempel_system;;

CREATE POLICY system_delete ON member_invitation FOR DELETE TO stempel_system USING (true);;

GRANT DELETE ON member_invitation TO stempel_system;;

ALTER TABLE member_totp ENABLE ROW LEVEL SECURITY;;

ALTER TABLE member_totp FORCE ROW LEVEL SECURITY;;

CREATE POLICY tenant ON member_totp TO stempel_app USING (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid)) WITH CHECK (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid));;

CREATE POLICY owner ON member_totp TO CURRENT_USER USING (true) WITH CHECK (true);;

GRANT SELECT, INSERT, UPDATE, DELETE ON member_totp TO stempel_app;;

ALTER TABLE merchant_session ENABLE ROW LEVEL SECURITY;;

ALTER TABLE merchant_session FORCE ROW LEVEL SECURITY;;

CREATE POLICY tenant ON merchant_session TO stempel_app USING (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid)) WITH CHECK (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid));;

CREATE POLICY owner ON merchant_session TO CURRENT_USER USING (true) WITH CHECK (true);;

GRANT SELECT, INSERT, UPDATE, DELETE ON merchant_session TO stempel_app;;

CREATE POLICY system_select ON merchant_session FOR SELECT TO stempel_system USING (true);;

GRANT SELECT ON merchant_session TO stempel_system;;

CREATE POLICY system_delete ON merchant_session FOR DELETE TO stempel_system USING (true);;

GRANT DELETE ON merchant_session TO stempel_system;;

ALTER TABLE merchant_setting ENABLE ROW LEVEL SECURITY;;

ALTER TABLE merchant_setting FORCE ROW LEVEL SECURITY;;

CREATE POLICY tenant ON merchant_setting TO stempel_app USING (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid)) WITH CHECK (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid));;

CREATE POLICY owner ON merchant_setting TO CURRENT_USER USING (true) WITH CHECK (true);;

GRANT SELECT, INSERT, UPDATE, DELETE ON merchant_setting TO stempel_app;;

ALTER TABLE news ENABLE ROW LEVEL SECURITY;;

ALTER TABLE news FORCE ROW LEVEL SECURITY;;

CREATE POLICY tenant ON news TO stempel_app USING (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid)) WITH CHECK (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid));;

CREATE POLICY owner ON news TO CURRENT_USER USING (true) WITH CHECK (true);;

GRANT SELECT, INSERT, UPDATE, DELETE ON news TO stempel_app;;

ALTER TABLE nudge_text ENABLE ROW LEVEL SECURITY;;

ALTER TABLE nudge_text FORCE ROW LEVEL SECURITY;;

CREATE POLICY tenant ON nudge_text TO stempel_app USING (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid)) WITH CHECK (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid));;

CREATE POLICY owner ON nudge_text TO CURRENT_USER USING (true) WITH CHECK (true);;

GRANT SELECT, INSERT, UPDATE, DELETE ON nudge_text TO stempel_app;;

ALTER TABLE passkey ENABLE ROW LEVEL SECURITY;;

ALTER TABLE passkey FORCE ROW LEVEL SECURITY;;

CREATE POLICY tenant ON passkey TO stempel_app USING (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid)) WITH CHECK (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid));;

CREATE POLICY owner ON passkey TO CURRENT_USER USING (true) WITH CHECK (true);;

GRANT SELECT, INSERT, UPDATE, DELETE ON passkey TO stempel_app;;

ALTER TABLE pin_attempt ENABLE ROW LEVEL SECURITY;;

ALTER TABLE pin_attempt FORCE ROW LEVEL SECURITY;;

CREATE POLICY tenant ON pin_attempt TO stempel_app USING (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid)) WITH CHECK (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid));;

CREATE POLICY owner ON pin_attempt TO CURRENT_USER USING (true) WITH CHECK (true);;

GRANT SELECT, INSERT, UPDATE, DELETE ON pin_attempt TO stempel_app;;

CREATE POLICY system_select ON pin_attempt FOR SELECT TO stempel_system USING (true);;

GRANT SELECT ON pin_attempt TO stempel_system;;

CREATE POLICY system_delete ON pin_attempt FOR DELETE TO stempel_system USING (true);;

GRANT DELETE ON pin_attempt TO stempel_system;;

ALTER TABLE program ENABLE ROW LEVEL SECURITY;;

ALTER TABLE program FORCE ROW LEVEL SECURITY;;

CREATE POLICY tenant ON program TO stempel_app USING (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid)) WITH CHECK (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid));;

CREATE POLICY owner ON program TO CURRENT_USER USING (true) WITH CHECK (true);;

GRANT SELECT, INSERT, UPDATE, DELETE ON program TO stempel_app;;

CREATE POLICY system_select ON program FOR SELECT TO stempel_system USING (true);;

GRANT SELECT ON program TO stempel_system;;

ALTER TABLE recovery_code ENABLE ROW LEVEL SECURITY;;

ALTER TABLE recovery_code FORCE ROW LEVEL SECURITY;;

CREATE POLICY tenant ON recovery_code TO stempel_app USING (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid)) WITH CHECK (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid));;

CREATE POLICY owner ON recovery_code TO CURRENT_USER USING (true) WITH CHECK (true);;

GRANT SELECT, INSERT, UPDATE, DELETE ON recovery_code TO stempel_app;;

ALTER TABLE rollup_balance ENABLE ROW LEVEL SECURITY;;

ALTER TABLE rollup_balance FORCE ROW LEVEL SECURITY;;

CREATE POLICY tenant ON rollup_balance TO stempel_app USING (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid)) WITH CHECK (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid));;

CREATE POLICY owner ON rollup_balance TO CURRENT_USER USING (true) WITH CHECK (true);;

GRANT SELECT, INSERT, UPDATE, DELETE ON rollup_balance TO stempel_app;;

ALTER TABLE rollup_card ENABLE ROW LEVEL SECURITY;;

ALTER TABLE rollup_card FORCE ROW LEVEL SECURITY;;

CREATE POLICY tenant ON rollup_card TO stempel_app USING (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid)) WITH CHECK (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid));;

CREATE POLICY owner ON rollup_card TO CURRENT_USER USING (true) WITH CHECK (true);;

GRANT SELECT, INSERT, UPDATE, DELETE ON rollup_card TO stempel_app;;

ALTER TABLE rollup_cohort ENABLE ROW LEVEL SECURITY;;

ALTER TABLE rollup_cohort FORCE ROW LEVEL SECURITY;;

CREATE POLICY tenant ON rollup_cohort TO stempel_app USING (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid)) WITH CHECK (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid));;

CREATE POLICY owner ON rollup_cohort TO CURRENT_USER USING (true) WITH CHECK (true);;

GRANT SELECT, INSERT, UPDATE, DELETE ON rollup_cohort TO stempel_app;;

ALTER TABLE rollup_customer ENABLE ROW LEVEL SECURITY;;

ALTER TABLE rollup_customer FORCE ROW LEVEL SECURITY;;

CREATE POLICY tenant ON rollup_customer TO stempel_app USING (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid)) WITH CHECK (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid));;

CREATE POLICY owner ON rollup_customer TO CURRENT_USER USING (true) WITH CHECK (true);;

GRANT SELECT, INSERT, UPDATE, DELETE ON rollup_customer TO stempel_app;;

ALTER TABLE rollup_day ENABLE ROW LEVEL SECURITY;;

ALTER TABLE rollup_day FORCE ROW LEVEL SECURITY;;

CREATE POLICY tenant ON rollup_day TO stempel_app USING (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid)) WITH CHECK (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid));;

CREATE POLICY owner ON rollup_day TO CURRENT_USER USING (true) WITH CHECK (true);;

GRANT SELECT, INSERT, UPDATE, DELETE ON rollup_day TO stempel_app;;

ALTER TABLE rollup_hour ENABLE ROW LEVEL SECURITY;;

ALTER TABLE rollup_hour FORCE ROW LEVEL SECURITY;;

CREATE POLICY tenant ON rollup_hour TO stempel_app USING (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid)) WITH CHECK (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid));;

CREATE POLICY owner ON rollup_hour TO CURRENT_USER USING (true) WITH CHECK (true);;

GRANT SELECT, INSERT, UPDATE, DELETE ON rollup_hour TO stempel_app;;

ALTER TABLE rollup_people ENABLE ROW LEVEL SECURITY;;

ALTER TABLE rollup_people FORCE ROW LEVEL SECURITY;;

CREATE POLICY tenant ON rollup_people TO stempel_app USING (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid)) WITH CHECK (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid));;

CREATE POLICY owner ON rollup_people TO CURRENT_USER USING (true) WITH CHECK (true);;

GRANT SELECT, INSERT, UPDATE, DELETE ON rollup_people TO stempel_app;;

ALTER TABLE rollup_state ENABLE ROW LEVEL SECURITY;;

ALTER TABLE rollup_state FORCE ROW LEVEL SECURITY;;

CREATE POLICY tenant ON rollup_state TO stempel_app USING (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid)) WITH CHECK (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid));;

CREATE POLICY owner ON rollup_state TO CURRENT_USER USING (true) WITH CHECK (true);;

GRANT SELECT, INSERT, UPDATE, DELETE ON rollup_state TO stempel_app;;

ALTER TABLE rollup_store ENABLE ROW LEVEL SECURITY;;

ALTER TABLE rollup_store FORCE ROW LEVEL SECURITY;;

CREATE POLICY tenant ON rollup_store TO stempel_app USING (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid)) WITH CHECK (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid));;

CREATE POLICY owner ON rollup_store TO CURRENT_USER USING (true) WITH CHECK (true);;

GRANT SELECT, INSERT, UPDATE, DELETE ON rollup_store TO stempel_app;;

ALTER TABLE staff_member ENABLE ROW LEVEL SECURITY;;

ALTER TABLE staff_member FORCE ROW LEVEL SECURITY;;

CREATE POLICY tenant ON staff_member TO stempel_app USING (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid)) WITH CHECK (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid));;

CREATE POLICY owner ON staff_member TO CURRENT_USER USING (true) WITH CHECK (true);;

GRANT SELECT, INSERT, UPDATE, DELETE ON staff_member TO stempel_app;;

ALTER TABLE tag ENABLE ROW LEVEL SECURITY;;

ALTER TABLE tag FORCE ROW LEVEL SECURITY;;

CREATE POLICY tenant ON tag TO stempel_app USING (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid)) WITH CHECK (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid));;

CREATE POLICY owner ON tag TO CURRENT_USER USING (true) WITH CHECK (true);;

GRANT SELECT, INSERT, UPDATE, DELETE ON tag TO stempel_app;;

ALTER TABLE usage_month ENABLE ROW LEVEL SECURITY;;

ALTER TABLE usage_month FORCE ROW LEVEL SECURITY;;

CREATE POLICY tenant ON usage_month TO stempel_app USING (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid)) WITH CHECK (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid));;

CREATE POLICY owner ON usage_month TO CURRENT_USER USING (true) WITH CHECK (true);;

GRANT SELECT, INSERT, UPDATE, DELETE ON usage_month TO stempel_app;;

ALTER TABLE webhook_endpoint ENABLE ROW LEVEL SECURITY;;

ALTER TABLE webhook_endpoint FORCE ROW LEVEL SECURITY;;

CREATE POLICY tenant ON webhook_endpoint TO stempel_app USING (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid)) WITH CHECK (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid));;

CREATE POLICY owner ON webhook_endpoint TO CURRENT_USER USING (true) WITH CHECK (true);;

GRANT SELECT, INSERT, UPDATE, DELETE ON webhook_endpoint TO stempel_app;;

CREATE POLICY system_select ON webhook_endpoint FOR SELECT TO stempel_system USING (true);;

GRANT SELECT ON webhook_endpoint TO stempel_system;;

ALTER TABLE webhook_event ENABLE ROW LEVEL SECURITY;;

ALTER TABLE webhook_event FORCE ROW LEVEL SECURITY;;

CREATE POLICY tenant ON webhook_event TO stempel_app USING (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid)) WITH CHECK (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid));;

CREATE POLICY owner ON webhook_event TO CURRENT_USER USING (true) WITH CHECK (true);;

GRANT SELECT, INSERT, UPDATE, DELETE ON webhook_event TO stempel_app;;

ALTER TABLE customer_note ENABLE ROW LEVEL SECURITY;;

ALTER TABLE customer_note FORCE ROW LEVEL SECURITY;;

CREATE POLICY tenant ON customer_note TO stempel_app USING (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid)) WITH CHECK (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid));;

CREATE POLICY owner ON customer_note TO CURRENT_USER USING (true) WITH CHECK (true);;

GRANT SELECT, INSERT, UPDATE, DELETE ON customer_note TO stempel_app;;

ALTER TABLE customer_opt_out ENABLE ROW LEVEL SECURITY;;

ALTER TABLE customer_opt_out FORCE ROW LEVEL SECURITY;;

CREATE POLICY tenant ON customer_opt_out TO stempel_app USING (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid)) WITH CHECK (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid));;

CREATE POLICY owner ON customer_opt_out TO CURRENT_USER USING (true) WITH CHECK (true);;

GRANT SELECT, INSERT, UPDATE, DELETE ON customer_opt_out TO stempel_app;;

ALTER TABLE customer_search ENABLE ROW LEVEL SECURITY;;

ALTER TABLE customer_search FORCE ROW LEVEL SECURITY;;

CREATE POLICY tenant ON customer_search TO stempel_app USING (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid)) WITH CHECK (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid));;

CREATE POLICY owner ON customer_search TO CURRENT_USER USING (true) WITH CHECK (true);;

GRANT SELECT, INSERT, UPDATE, DELETE ON customer_search TO stempel_app;;

ALTER TABLE customer_tag ENABLE ROW LEVEL SECURITY;;

ALTER TABLE customer_tag FORCE ROW LEVEL SECURITY;;

CREATE POLICY tenant ON customer_tag TO stempel_app USING (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid)) WITH CHECK (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid));;

CREATE POLICY owner ON customer_tag TO CURRENT_USER USING (true) WITH CHECK (true);;

GRANT SELECT, INSERT, UPDATE, DELETE ON customer_tag TO stempel_app;;

ALTER TABLE import_row ENABLE ROW LEVEL SECURITY;;

ALTER TABLE import_row FORCE ROW LEVEL SECURITY;;

CREATE POLICY tenant ON import_row TO stempel_app USING (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid)) WITH CHECK (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid));;

CREATE POLICY owner ON import_row TO CURRENT_USER USING (true) WITH CHECK (true);;

GRANT SELECT, INSERT, UPDATE, DELETE ON import_row TO stempel_app;;

ALTER TABLE nudge_slot ENABLE ROW LEVEL SECURITY;;

ALTER TABLE nudge_slot FORCE ROW LEVEL SECURITY;;

CREATE POLICY tenant ON nudge_slot TO stempel_app USING (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid)) WITH CHECK (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid));;

CREATE POLICY owner ON nudge_slot TO CURRENT_USER USING (true) WITH CHECK (true);;

GRANT SELECT, INSERT, UPDATE, DELETE ON nudge_slot TO stempel_app;;

ALTER TABLE reward ENABLE ROW LEVEL SECURITY;;

ALTER TABLE reward FORCE ROW LEVEL SECURITY;;

CREATE POLICY tenant ON reward TO stempel_app USING (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid)) WITH CHECK (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid));;

CREATE POLICY owner ON reward TO CURRENT_USER USING (true) WITH CHECK (true);;

GRANT SELECT, INSERT, UPDATE, DELETE ON reward TO stempel_app;;

ALTER TABLE store ENABLE ROW LEVEL SECURITY;;

ALTER TABLE store FORCE ROW LEVEL SECURITY;;

CREATE POLICY tenant ON store TO stempel_app USING (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid)) WITH CHECK (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid));;

CREATE POLICY owner ON store TO CURRENT_USER USING (true) WITH CHECK (true);;

GRANT SELECT, INSERT, UPDATE, DELETE ON store TO stempel_app;;

ALTER TABLE webhook_delivery ENABLE ROW LEVEL SECURITY;;

ALTER TABLE webhook_delivery FORCE ROW LEVEL SECURITY;;

CREATE POLICY tenant ON webhook_delivery TO stempel_app USING (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid)) WITH CHECK (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid));;

CREATE POLICY owner ON webhook_delivery TO CURRENT_USER USING (true) WITH CHECK (true);;

GRANT SELECT, INSERT, UPDATE, DELETE ON webhook_delivery TO stempel_app;;

CREATE POLICY system_select ON webhook_delivery FOR SELECT TO stempel_system USING (true);;

GRANT SELECT ON webhook_delivery TO stempel_system;;

ALTER TABLE pass_object ENABLE ROW LEVEL SECURITY;;

ALTER TABLE pass_object FORCE ROW LEVEL SECURITY;;

CREATE POLICY tenant ON pass_object TO stempel_app USING (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid)) WITH CHECK (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid));;

CREATE POLICY owner ON pass_object TO CURRENT_USER USING (true) WITH CHECK (true);;

GRANT SELECT, INSERT, UPDATE, DELETE ON pass_object TO stempel_app;;

CREATE POLICY system_select ON pass_object FOR SELECT TO stempel_system USING (true);;

GRANT SELECT ON pass_object TO stempel_system;;

ALTER TABLE staff_device ENABLE ROW LEVEL SECURITY;;

ALTER TABLE staff_device FORCE ROW LEVEL SECURITY;;

CREATE POLICY tenant ON staff_device TO stempel_app USING (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid)) WITH CHECK (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid));;

CREATE POLICY owner ON staff_device TO CURRENT_USER USING (true) WITH CHECK (true);;

GRANT SELECT, INSERT, UPDATE, DELETE ON staff_device TO stempel_app;;

ALTER TABLE staff_pin ENABLE ROW LEVEL SECURITY;;

ALTER TABLE staff_pin FORCE ROW LEVEL SECURITY;;

CREATE POLICY tenant ON staff_pin TO stempel_app USING (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid)) WITH CHECK (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid));;

CREATE POLICY owner ON staff_pin TO CURRENT_USER USING (true) WITH CHECK (true);;

GRANT SELECT, INSERT, UPDATE, DELETE ON staff_pin TO stempel_app;;

ALTER TABLE webhook_attempt ENABLE ROW LEVEL SECURITY;;

ALTER TABLE webhook_attempt FORCE ROW LEVEL SECURITY;;

CREATE POLICY tenant ON webhook_attempt TO stempel_app USING (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid)) WITH CHECK (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid));;

CREATE POLICY owner ON webhook_attempt TO CURRENT_USER USING (true) WITH CHECK (true);;

GRANT SELECT, INSERT, UPDATE, DELETE ON webhook_attempt TO stempel_app;;

ALTER TABLE birthday_gift ENABLE ROW LEVEL SECURITY;;

ALTER TABLE birthday_gift FORCE ROW LEVEL SECURITY;;

CREATE POLICY tenant ON birthday_gift TO stempel_app USING (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid)) WITH CHECK (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid));;

CREATE POLICY owner ON birthday_gift TO CURRENT_USER USING (true) WITH CHECK (true);;

GRANT SELECT, INSERT, UPDATE, DELETE ON birthday_gift TO stempel_app;;

ALTER TABLE card_link ENABLE ROW LEVEL SECURITY;;

ALTER TABLE card_link FORCE ROW LEVEL SECURITY;;

CREATE POLICY tenant ON card_link TO stempel_app USING (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid)) WITH CHECK (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid));;

CREATE POLICY owner ON card_link TO CURRENT_USER USING (true) WITH CHECK (true);;

GRANT SELECT, INSERT, UPDATE, DELETE ON card_link TO stempel_app;;

CREATE POLICY system_select ON card_link FOR SELECT TO stempel_system USING (true);;

GRANT SELECT ON card_link TO stempel_system;;

CREATE POLICY system_delete ON card_link FOR DELETE TO stempel_system USING (true);;

GRANT DELETE ON card_link TO stempel_system;;

ALTER TABLE credit_account ENABLE ROW LEVEL SECURITY;;

ALTER TABLE credit_account FORCE ROW LEVEL SECURITY;;

CREATE POLICY tenant ON credit_account TO stempel_app USING (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid)) WITH CHECK (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid));;

CREATE POLICY owner ON credit_account TO CURRENT_USER USING (true) WITH CHECK (true);;

GRANT SELECT, INSERT, UPDATE, DELETE ON credit_account TO stempel_app;;

ALTER TABLE credit_entry ENABLE ROW LEVEL SECURITY;;

ALTER TABLE credit_entry FORCE ROW LEVEL SECURITY;;

CREATE POLICY tenant ON credit_entry TO stempel_app USING (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid)) WITH CHECK (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid));;

CREATE POLICY owner ON credit_entry TO CURRENT_USER USING (true) WITH CHECK (true);;

GRANT SELECT, INSERT ON credit_entry TO stempel_app;;

ALTER TABLE credit_lot ENABLE ROW LEVEL SECURITY;;

ALTER TABLE credit_lot FORCE ROW LEVEL SECURITY;;

CREATE POLICY tenant ON credit_lot TO stempel_app USING (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid)) WITH CHECK (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid));;

CREATE POLICY owner ON credit_lot TO CURRENT_USER USING (true) WITH CHECK (true);;

GRANT SELECT, INSERT, UPDATE, DELETE ON credit_lot TO stempel_app;;

ALTER TABLE fraud_finding ENABLE ROW LEVEL SECURITY;;

ALTER TABLE fraud_finding FORCE ROW LEVEL SECURITY;;

CREATE POLICY tenant ON fraud_finding TO stempel_app USING (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid)) WITH CHECK (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid));;

CREATE POLICY owner ON fraud_finding TO CURRENT_USER USING (true) WITH CHECK (true);;

GRANT SELECT, INSERT, UPDATE, DELETE ON fraud_finding TO stempel_app;;

ALTER TABLE fraud_own_card ENABLE ROW LEVEL SECURITY;;

ALTER TABLE fraud_own_card FORCE ROW LEVEL SECURITY;;

CREATE POLICY tenant ON fraud_own_card TO stempel_app USING (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid)) WITH CHECK (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid));;

CREATE POLICY owner ON fraud_own_card TO CURRENT_USER USING (true) WITH CHECK (true);;

GRANT SELECT, INSERT, UPDATE, DELETE ON fraud_own_card TO stempel_app;;

ALTER TABLE gift ENABLE ROW LEVEL SECURITY;;

ALTER TABLE gift FORCE ROW LEVEL SECURITY;;

CREATE POLICY tenant ON gift TO stempel_app USING (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid)) WITH CHECK (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid));;

CREATE POLICY owner ON gift TO CURRENT_USER USING (true) WITH CHECK (true);;

GRANT SELECT, INSERT, UPDATE, DELETE ON gift TO stempel_app;;

ALTER TABLE points_event ENABLE ROW LEVEL SECURITY;;

ALTER TABLE points_event FORCE ROW LEVEL SECURITY;;

CREATE POLICY tenant ON points_event TO stempel_app USING (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid)) WITH CHECK (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid));;

CREATE POLICY owner ON points_event TO CURRENT_USER USING (true) WITH CHECK (true);;

GRANT SELECT, INSERT ON points_event TO stempel_app;;

ALTER TABLE points_lot ENABLE ROW LEVEL SECURITY;;

ALTER TABLE points_lot FORCE ROW LEVEL SECURITY;;

CREATE POLICY tenant ON points_lot TO stempel_app USING (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid)) WITH CHECK (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid));;

CREATE POLICY owner ON points_lot TO CURRENT_USER USING (true) WITH CHECK (true);;

GRANT SELECT, INSERT, UPDATE, DELETE ON points_lot TO stempel_app;;

CREATE POLICY system_select ON points_lot FOR SELECT TO stempel_system USING (true);;

GRANT SELECT ON points_lot TO stempel_system;;

ALTER TABLE privacy_request ENABLE ROW LEVEL SECURITY;;

ALTER TABLE privacy_request FORCE ROW LEVEL SECURITY;;

CREATE POLICY tenant ON privacy_request TO stempel_app USING (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid)) WITH CHECK (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid));;

CREATE POLICY owner ON privacy_request TO CURRENT_USER USING (true) WITH CHECK (true);;

GRANT SELECT, INSERT, UPDATE, DELETE ON privacy_request TO stempel_app;;

ALTER TABLE redemption ENABLE ROW LEVEL SECURITY;;

ALTER TABLE redemption FORCE ROW LEVEL SECURITY;;

CREATE POLICY tenant ON redemption TO stempel_app USING (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid)) WITH CHECK (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid));;

CREATE POLICY owner ON redemption TO CURRENT_USER USING (true) WITH CHECK (true);;

GRANT SELECT, INSERT, UPDATE, DELETE ON redemption TO stempel_app;;

ALTER TABLE referral ENABLE ROW LEVEL SECURITY;;

ALTER TABLE referral FORCE ROW LEVEL SECURITY;;

CREATE POLICY tenant ON referral TO stempel_app USING (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid)) WITH CHECK (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid));;

CREATE POLICY owner ON referral TO CURRENT_USER USING (true) WITH CHECK (true);;

GRANT SELECT, INSERT, UPDATE, DELETE ON referral TO stempel_app;;

ALTER TABLE referral_link ENABLE ROW LEVEL SECURITY;;

ALTER TABLE referral_link FORCE ROW LEVEL SECURITY;;

CREATE POLICY tenant ON referral_link TO stempel_app USING (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid)) WITH CHECK (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid));;

CREATE POLICY owner ON referral_link TO CURRENT_USER USING (true) WITH CHECK (true);;

GRANT SELECT, INSERT, UPDATE, DELETE ON referral_link TO stempel_app;;

ALTER TABLE stamp_event ENABLE ROW LEVEL SECURITY;;

ALTER TABLE stamp_event FORCE ROW LEVEL SECURITY;;

CREATE POLICY tenant ON stamp_event TO stempel_app USING (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid)) WITH CHECK (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid));;

CREATE POLICY owner ON stamp_event TO CURRENT_USER USING (true) WITH CHECK (true);;

GRANT SELECT, INSERT ON stamp_event TO stempel_app;;

ALTER TABLE tier_move ENABLE ROW LEVEL SECURITY;;

ALTER TABLE tier_move FORCE ROW LEVEL SECURITY;;

CREATE POLICY tenant ON tier_move TO stempel_app USING (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid)) WITH CHECK (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid));;

CREATE POLICY owner ON tier_move TO CURRENT_USER USING (true) WITH CHECK (true);;

GRANT SELECT, INSERT, UPDATE, DELETE ON tier_move TO stempel_app;;

ALTER TABLE tier_standing ENABLE ROW LEVEL SECURITY;;

ALTER TABLE tier_standing FORCE ROW LEVEL SECURITY;;

CREATE POLICY tenant ON tier_standing TO stempel_app USING (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid)) WITH CHECK (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid));;

CREATE POLICY owner ON tier_standing TO CURRENT_USER USING (true) WITH CHECK (true);;

GRANT SELECT, INSERT, UPDATE, DELETE ON tier_standing TO stempel_app;;

ALTER TABLE visit ENABLE ROW LEVEL SECURITY;;

ALTER TABLE visit FORCE ROW LEVEL SECURITY;;

CREATE POLICY tenant ON visit TO stempel_app USING (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid)) WITH CHECK (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid));;

CREATE POLICY owner ON visit TO CURRENT_USER USING (true) WITH CHECK (true);;

GRANT SELECT, INSERT, UPDATE (voided_at, voided_by, void_reason) ON visit TO stempel_app;;

ALTER TABLE visit_trace ENABLE ROW LEVEL SECURITY;;

ALTER TABLE visit_trace FORCE ROW LEVEL SECURITY;;

CREATE POLICY tenant ON visit_trace TO stempel_app USING (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid)) WITH CHECK (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid));;

CREATE POLICY owner ON visit_trace TO CURRENT_USER USING (true) WITH CHECK (true);;

GRANT SELECT, INSERT, UPDATE, DELETE ON visit_trace TO stempel_app;;

ALTER TABLE wallet_message ENABLE ROW LEVEL SECURITY;;

ALTER TABLE wallet_message FORCE ROW LEVEL SECURITY;;

CREATE POLICY tenant ON wallet_message TO stempel_app USING (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid)) WITH CHECK (merchant_id = (SELECT nullif(current_setting('stempel.merchant_id', true), '')::uuid));;

CREATE POLICY owner ON wallet_message TO CURRENT_USER USING (true) WITH CHECK (true);;

GRANT SELECT, INSERT, UPDATE, DELETE ON wallet_message TO stempel_app;;

GRANT SELECT ON alembic_version TO stempel_app, stempel_system;;

CREATE TYPE pgqueuer_status AS ENUM (
    'queued', 'picked', 'successful', 'exception', 'canceled', 'deleted', 'failed');;

CREATE TABLE pgqueuer (
    id bigserial NOT NULL PRIMARY KEY,
    priority integer NOT NULL,
    queue_manager_id uuid,
    created timestamp with time zone NOT NULL DEFAULT now(),
    updated timestamp with time zone NOT NULL DEFAULT now(),
    heartbeat timestamp with time zone NOT NULL DEFAULT now(),
    execute_after timestamp with time zone NOT NULL DEFAULT now(),
    status pgqueuer_status NOT NULL,
    entrypoint text NOT NULL,
    dedupe_key text,
    payload bytea,
    headers jsonb,
    attempts integer NOT NULL DEFAULT 0,
    slot bigint
);;

CREATE TABLE pgqueuer_log (
    id bigint GENERATED BY DEFAULT AS IDENTITY NOT NULL PRIMARY KEY,
    created timestamp with time zone NOT NULL DEFAULT now(),
    job_id bigint NOT NULL,
    status pgqueuer_status NOT NULL,
    priority integer NOT NULL,
    entrypoint text NOT NULL,
    traceback jsonb,
    aggregated boolean DEFAULT false
);;

CREATE TABLE pgqueuer_schedules (
    id bigserial NOT NULL PRIMARY KEY,
    expression text NOT NULL,
    entrypoint text NOT NULL,
    heartbeat timestamp with time zone NOT NULL DEFAULT now(),
    created timestamp with time zone NOT NULL DEFAULT now(),
    updated timestamp with time zone NOT NULL DEFAULT now(),
    next_run timestamp with time zone NOT NULL DEFAULT now(),
    last_run timestamp with time zone,
    status pgqueuer_status DEFAULT 'queued'::pgqueuer_status,
    UNIQUE (expression, entrypoint)
);;

CREATE TABLE pgqueuer_statistics (
    id bigserial NOT NULL PRIMARY KEY,
    created timestamp with time zone NOT NULL DEFAULT date_trunc('sec'::text, now()),
    count bigint NOT NULL,
    priority integer NOT NULL,
    status pgqueuer_status NOT NULL,
    entrypoint text NOT NULL
);;

CREATE INDEX pgqueuer_ep_ea_idx ON pgqueuer USING btree (entrypoint, execute_after) WHERE (status = 'queued'::pgqueuer_status);;

CREATE INDEX pgqueuer_ep_prio_id_idx ON pgqueuer USING btree (entrypoint, priority DESC, id) WHERE (status = 'queued'::pgqueuer_status);;

CREATE INDEX pgqueuer_log_created ON pgqueuer_log USING btree (created);;

CREATE INDEX pgqueuer_log_job_id_status ON pgqueuer_log USING btree (job_id, created DESC);;

CREATE INDEX pgqueuer_log_not_aggregated ON pgqueuer_log USING btree ((1)) WHERE (NOT aggregated);;

CREATE INDEX pgqueuer_log_status ON pgqueuer_log USING btree (status);;

CREATE INDEX pgqueuer_picked_heartbeat_idx ON pgqueuer USING btree (heartbeat) WHERE (status = 'picked'::pgqueuer_status);;

CREATE UNIQUE INDEX pgqueuer_picked_slot_idx ON pgqueuer USING btree (entrypoint, slot) WHERE ((status = 'picked'::pgqueuer_status) AND (slot IS NOT NULL));;

CREATE INDEX pgqueuer_priority_id_id1_idx ON pgqueuer USING btree (priority, id DESC) INCLUDE (id) WHERE (status = 'queued'::pgqueuer_status);;

CREATE INDEX pgqueuer_queue_manager_id_idx ON pgqueuer USING btree (queue_manager_id) WHERE (queue_manager_id IS NOT NULL);;

CREATE UNIQUE INDEX pgqueuer_statistics_unique_count ON pgqueuer_statistics USING btree (priority, date_trunc('sec'::text, timezone('UTC'::text, created)), status, entrypoint);;

CREATE UNIQUE INDEX pgqueuer_unique_dedupe_key ON pgqueuer USING btree (dedupe_key) WHERE ((status = ANY (ARRAY['queued'::pgqueuer_status, 'picked'::pgqueuer_status])) AND (dedupe_key IS NOT NULL));;

CREATE INDEX pgqueuer_updated_id_id1_idx ON pgqueuer USING btree (updated, id DESC) INCLUDE (id) WHERE (status = 'picked'::pgqueuer_status);;

ALTER TABLE pgqueuer ADD COLUMN starts integer NOT NULL DEFAULT 0;;

ALTER TABLE pgqueuer ADD COLUMN run_at timestamp with time zone;;

ALTER TABLE pgqueuer ADD COLUMN first_started_at timestamp with time zone;;

ALTER TABLE pgqueuer ADD COLUMN reason text;;

CREATE INDEX pgqueuer_run_at_idx ON pgqueuer USING btree (run_at) WHERE (status = 'queued'::pgqueuer_status) AND (run_at IS NOT NULL);;

CREATE INDEX pgqueuer_failed_idx ON pgqueuer USING btree (id) WHERE (status = 'failed'::pgqueuer_status);;

ALTER TABLE pgqueuer SET (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000, autovacuum_analyze_scale_factor = 0.02, autovacuum_analyze_threshold = 500);;

CREATE TABLE job_schedule (
    name text NOT NULL PRIMARY KEY,
    next_run_at timestamp with time zone NOT NULL,
    last_run_at timestamp with time zone
);;

GRANT SELECT, INSERT, UPDATE ON pgqueuer TO stempel_app;;

GRANT INSERT ON pgqueuer_log TO stempel_app;;

GRANT SELECT, INSERT, UPDATE, DELETE ON pgqueuer, pgqueuer_log, pgqueuer_schedules, pgqueuer_statistics, job_schedule TO stempel_system;;

GRANT USAGE, SELECT ON SEQUENCE pgqueuer_id_seq, pgqueuer_log_id_seq, pgqueuer_schedules_id_seq, pgqueuer_statistics_id_seq TO stempel_app, stempel_system;;

CREATE UNLOGGED TABLE rate_limit (
    name text NOT NULL,
    key text NOT NULL,
    window_start timestamp with time zone NOT NULL,
    hits integer NOT NULL,
    PRIMARY KEY (name, key, window_start)
);;

CREATE INDEX rate_limit_window_start_idx ON rate_limit (window_start);;

GRANT SELECT, INSERT, UPDATE ON rate_limit TO stempel_app;;

GRANT SELECT, DELETE ON rate_limit TO stempel_system;;

CREATE FUNCTION make_partitions(months integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public SET lock_timeout = '500ms' AS $body$
DECLARE
    parent text; begins timestamptz; low text; high text; made integer := 0;
BEGIN
    IF months NOT BETWEEN 1 AND 14 THEN
        RAISE EXCEPTION 'months must lie between 1 and 14';
    END IF;
    FOREACH parent IN ARRAY ARRAY['visit', 'stamp_event', 'points_event'] LOOP
        FOR ahead IN 0..months LOOP
            begins := (date_trunc('month', now() AT TIME ZONE 'UTC') + make_interval(months => ahead))
                AT TIME ZONE 'UTC';
            CONTINUE WHEN to_regclass(format('public.%I', parent || to_char(begins AT TIME ZONE 'UTC', '_YYYY_MM')))
                IS NOT NULL;
            low := lpad(to_hex((extract(epoch FROM begins) * 1000)::bigint), 12, '0') || '70008000000000000000';
            high := lpad(to_hex((extract(epoch FROM (begins AT TIME ZONE 'UTC' + interval '1 month')
                AT TIME ZONE 'UTC') * 1000)::bigint), 12, '0') || '70008000000000000000';
            BEGIN
                EXECUTE format('CREATE TABLE public.%I PARTITION OF public.%I FOR VALUES FROM (%L) TO (%L)',
                    parent || to_char(begins AT TIME ZONE 'UTC', '_YYYY_MM'), parent, low::uuid, high::uuid);
                made := made + 1;
            EXCEPTION WHEN check_violation THEN
                RAISE WARNING 'rows of % stand in the default partition of %', begins, parent;
            END;
        END LOOP;
    END LOOP;
    RETURN made;
END $body$;;

REVOKE ALL ON FUNCTION make_partitions(integer) FROM PUBLIC;;

GRANT EXECUTE ON FUNCTION make_partitions(integer) TO stempel_system;;
