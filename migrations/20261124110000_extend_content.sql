-- What content needs to be edited, found and judged: a row's version, its words, and a digest of the fields that prompts tell.
-- Words: 'simple', since texts come in any language; ASCII punctuation parts words, so that a part of an address is found too.
CREATE FUNCTION words_of(text) RETURNS tsvector LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT to_tsvector('simple'::regconfig, translate(coalesce($1, ''), '@.-_/\:;,()[]{}<>"''!?&+=*#|~', '                               '))
$$;

ALTER TABLE company_profiles
  ADD COLUMN version integer NOT NULL DEFAULT 1,           -- grows with each change
  ADD COLUMN facts_digest text NOT NULL GENERATED ALWAYS AS (md5(
    coalesce(company_description, '') || E'\x1f' || coalesce(industry, '') || E'\x1f' || coalesce(company_size, '') || E'\x1f' ||
    coalesce(headquarters_city, '') || E'\x1f' || coalesce(headquarters_country, '') || E'\x1f' || coalesce(website, '') || E'\x1f' ||
    coalesce(target_market, '') || E'\x1f' || coalesce(sales_methodology, '') || E'\x1f' || coalesce(sales_stage, '') || E'\x1f' ||
    market_segments::text || primary_products::text || sales_regions::text || deal_types::text || main_competitors::text ||
    competitive_advantages::text || unique_selling_points::text)) STORED;

ALTER TABLE products
  ADD COLUMN version integer NOT NULL DEFAULT 1,
  ADD COLUMN facts_digest text NOT NULL GENERATED ALWAYS AS (md5(
    name || E'\x1f' || coalesce(description, '') || E'\x1f' || coalesce(category, '') || E'\x1f' || coalesce(target_audience, '') || E'\x1f' ||
    coalesce(competitive_advantages, '') || E'\x1f' || key_features::text || pricing_info::text || use_cases::text)) STORED,
  ADD COLUMN words tsvector NOT NULL GENERATED ALWAYS AS (words_of(
    name || ' ' || coalesce(category, '') || ' ' || coalesce(description, ''))) STORED;
CREATE INDEX products_list ON products (org_id, created_at DESC, id DESC);
CREATE INDEX products_name ON products (org_id, name, id);
CREATE INDEX products_words ON products USING gin (words);

ALTER TABLE clients
  ADD COLUMN version integer NOT NULL DEFAULT 1,
  ADD COLUMN external_id varchar(255),                     -- the organisation's own, of its CRM
  ADD COLUMN facts_digest text NOT NULL GENERATED ALWAYS AS (md5(
    name || E'\x1f' || coalesce(company, '') || E'\x1f' || coalesce(title, '') || E'\x1f' || coalesce(industry, '') || E'\x1f' ||
    coalesce(communication_style, '') || E'\x1f' || pain_points::text || goals::text || objection_patterns::text ||
    decision_criteria::text)) STORED,
  ADD COLUMN words tsvector NOT NULL GENERATED ALWAYS AS (words_of(
    name || ' ' || coalesce(company, '') || ' ' || coalesce(title, '') || ' ' || coalesce(industry, '') || ' ' || coalesce(email, ''))) STORED;
CREATE UNIQUE INDEX clients_external_id ON clients (org_id, external_id) WHERE external_id IS NOT NULL;
CREATE INDEX clients_list ON clients (org_id, created_at DESC, id DESC);
CREATE INDEX clients_name ON clients (org_id, name, id);
CREATE INDEX clients_email ON clients (org_id, lower(email)) WHERE email IS NOT NULL;
CREATE INDEX clients_company ON clients (org_id, lower(company)) WHERE company IS NOT NULL;
CREATE INDEX clients_words ON clients USING gin (words);

-- A list of clients that came in by file, and who was in it: a batch can be sent to just those.
CREATE TABLE client_imports (
  id uuid PRIMARY KEY,
  org_id uuid NOT NULL REFERENCES organizations (id) ON DELETE RESTRICT,
  mode text NOT NULL CHECK (mode IN ('keep_good', 'all_or_nothing')),
  created integer NOT NULL,
  updated integer NOT NULL,
  unchanged integer NOT NULL,
  rejected integer NOT NULL,
  created_by uuid,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  UNIQUE (org_id, id)
);
CREATE TABLE client_import_members (
  org_id uuid NOT NULL,
  import_id uuid NOT NULL,
  n integer NOT NULL,                                      -- its place in the file
  client_id uuid NOT NULL,
  PRIMARY KEY (import_id, n),
  UNIQUE (import_id, client_id),
  FOREIGN KEY (org_id, import_id) REFERENCES client_imports (org_id, id) ON DELETE CASCADE,
  FOREIGN KEY (org_id, client_id) REFERENCES clients (org_id, id) ON DELETE CASCADE
);
CREATE INDEX client_import_members_import ON client_import_members (org_id, import_id);
CREATE INDEX client_import_members_client ON client_import_members (org_id, client_id);

-- Scripts and emails: a row a version. `script_id` and `email_id` name the lineage, which is what clients know as its id. Its name,
-- description and whether it is active are those of its latest version's row; `revision` grows with every change of that row.
CREATE TABLE sales_scripts (
  id uuid PRIMARY KEY,
  script_id uuid NOT NULL,
  org_id uuid NOT NULL REFERENCES organizations (id) ON DELETE RESTRICT,
  version integer NOT NULL DEFAULT 1 CHECK (version > 0),
  is_latest boolean NOT NULL DEFAULT true,
  revision integer NOT NULL DEFAULT 1,
  parent_script_id uuid,                                   -- the version that it was made from
  product_id uuid,
  client_id uuid,
  name varchar(255) NOT NULL,
  description text,
  script_type varchar(50) NOT NULL DEFAULT 'general' CHECK (script_type IN ('cold_call', 'follow_up', 'demo', 'closing', 'general')),
  content text NOT NULL,
  key_talking_points jsonb NOT NULL DEFAULT '[]',
  objection_handlers jsonb NOT NULL DEFAULT '{}',
  discovery_questions jsonb NOT NULL DEFAULT '[]',
  closing_techniques jsonb NOT NULL DEFAULT '[]',
  origin text NOT NULL CHECK (origin IN ('generated', 'edited', 'manual')),
  run_id uuid,                                             -- that wrote it, or what it was edited from
  generated_by_session_id uuid,
  generation_prompt text,                                  -- what the user asked for
  provider varchar(50),
  model_id varchar(100),
  prompt_version varchar(50),                              -- 'script@1'
  cost_cents numeric(16, 6),
  product_digest text,                                     -- of the facts that it was written from
  client_digest text,
  company_digest text,
  warnings jsonb NOT NULL DEFAULT '[]',
  is_active boolean NOT NULL DEFAULT true,
  created_by uuid,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),  -- of the lineage
  updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),  -- of this version
  words tsvector NOT NULL GENERATED ALWAYS AS (words_of(name || ' ' || coalesce(description, '') || ' ' || content)) STORED,
  UNIQUE (org_id, id),
  UNIQUE (script_id, version),
  CHECK ((origin = 'manual') = (run_id IS NULL)),
  FOREIGN KEY (org_id, product_id) REFERENCES products (org_id, id) ON DELETE SET NULL (product_id),
  FOREIGN KEY (org_id, client_id) REFERENCES clients (org_id, id) ON DELETE SET NULL (client_id),
  FOREIGN KEY (org_id, parent_script_id) REFERENCES sales_scripts (org_id, id) ON DELETE SET NULL (parent_script_id),
  FOREIGN KEY (org_id, generated_by_session_id) REFERENCES sessions (org_id, id) ON DELETE SET NULL (generated_by_session_id)
);
CREATE UNIQUE INDEX sales_scripts_latest ON sales_scripts (script_id) WHERE is_latest;
CREATE INDEX sales_scripts_list ON sales_scripts (org_id, created_at DESC, script_id DESC) WHERE is_latest;
CREATE INDEX sales_scripts_product ON sales_scripts (org_id, product_id) WHERE product_id IS NOT NULL;
CREATE INDEX sales_scripts_client ON sales_scripts (org_id, client_id) WHERE client_id IS NOT NULL;
CREATE INDEX sales_scripts_type ON sales_scripts (org_id, script_type) WHERE is_latest;
CREATE INDEX sales_scripts_parent ON sales_scripts (org_id, parent_script_id) WHERE parent_script_id IS NOT NULL;
CREATE INDEX sales_scripts_session ON sales_scripts (org_id, generated_by_session_id) WHERE generated_by_session_id IS NOT NULL;
CREATE INDEX sales_scripts_words ON sales_scripts USING gin (words) WHERE is_latest;

CREATE TABLE sales_emails (
  id uuid PRIMARY KEY,
  email_id uuid NOT NULL,
  org_id uuid NOT NULL REFERENCES organizations (id) ON DELETE RESTRICT,
  version integer NOT NULL DEFAULT 1 CHECK (version > 0),
  is_latest boolean NOT NULL DEFAULT true,
  revision integer NOT NULL DEFAULT 1,
  parent_email_id uuid,                                    -- the version that it was made from
  product_id uuid,
  client_id uuid,
  name varchar(255) NOT NULL,
  description text,
  email_type varchar(50) NOT NULL DEFAULT 'general' CHECK (email_type IN ('cold_outreach', 'follow_up', 'proposal', 'closing', 'general')),
  subject text NOT NULL,
  body text NOT NULL,
  call_to_action text,
  personalization_fields jsonb NOT NULL DEFAULT '[]',
  origin text NOT NULL CHECK (origin IN ('generated', 'edited', 'manual')),
  run_id uuid,                                             -- that wrote it, or what it was edited from
  batch_id uuid,
  batch_n integer,
  generated_by_session_id uuid,
  generation_prompt text,                                  -- what the user asked for
  provider varchar(50),
  model_id varchar(100),
  prompt_version varchar(50),                              -- 'email@1'
  cost_cents numeric(16, 6),
  product_digest text,                                     -- of the facts that it was written from
  client_digest text,
  company_digest text,
  warnings jsonb NOT NULL DEFAULT '[]',
  is_active boolean NOT NULL DEFAULT true,
  created_by uuid,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),  -- of the lineage
  updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),  -- of this version
  words tsvector NOT NULL GENERATED ALWAYS AS (words_of(
    name || ' ' || coalesce(description, '') || ' ' || subject || ' ' || body || ' ' || coalesce(call_to_action, ''))) STORED,
  UNIQUE (org_id, id),
  UNIQUE (email_id, version),
  CHECK ((origin = 'manual') = (run_id IS NULL)),
  FOREIGN KEY (org_id, product_id) REFERENCES products (org_id, id) ON DELETE SET NULL (product_id),
  FOREIGN KEY (org_id, client_id) REFERENCES clients (org_id, id) ON DELETE SET NULL (client_id),
  FOREIGN KEY (org_id, parent_email_id) REFERENCES sales_emails (org_id, id) ON DELETE SET NULL (parent_email_id),
  FOREIGN KEY (org_id, generated_by_session_id) REFERENCES sessions (org_id, id) ON DELETE SET NULL (generated_by_session_id)
);
CREATE UNIQUE INDEX sales_emails_latest ON sales_emails (email_id) WHERE is_latest;
CREATE INDEX sales_emails_list ON sales_emails (org_id, created_at DESC, email_id DESC) WHERE is_latest;
CREATE INDEX sales_emails_product ON sales_emails (org_id, product_id) WHERE product_id IS NOT NULL;
CREATE INDEX sales_emails_client ON sales_emails (org_id, client_id) WHERE client_id IS NOT NULL;
CREATE INDEX sales_emails_type ON sales_emails (org_id, email_type) WHERE is_latest;
CREATE INDEX sales_emails_batch ON sales_emails (batch_id, batch_n) WHERE is_latest AND batch_id IS NOT NULL;
CREATE INDEX sales_emails_parent ON sales_emails (org_id, parent_email_id) WHERE parent_email_id IS NOT NULL;
CREATE INDEX sales_emails_session ON sales_emails (org_id, generated_by_session_id) WHERE generated_by_session_id IS NOT NULL;
CREATE INDEX sales_emails_words ON sales_emails USING gin (words) WHERE is_latest;

DO $$
DECLARE t text;
BEGIN
  FOREACH t IN ARRAY ARRAY['client_imports', 'client_import_members', 'sales_scripts', 'sales_emails'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
    EXECUTE format('CREATE POLICY %I ON %I TO hellosales_api, hellosales_worker USING (org_id = current_org()) WITH CHECK (org_id = current_org())', t || '_org', t);
    EXECUTE format('CREATE POLICY %I ON %I TO hellosales_operator USING (true) WITH CHECK (true)', t || '_operator', t);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO hellosales_api, hellosales_worker, hellosales_operator', t);
  END LOOP;
END $$;
