-- What an organisation sells, to whom, and what it says of itself.

CREATE TABLE company_profiles (
  id uuid PRIMARY KEY,
  org_id uuid NOT NULL UNIQUE REFERENCES organizations (id) ON DELETE RESTRICT,
  industry varchar(100),
  company_size varchar(50) CHECK (company_size IN ('startup', '1-10', '10-50', '50-200', '200-1000', '1000+')),
  headquarters_city varchar(100),
  headquarters_country varchar(100),
  website text,
  sales_team_size integer CHECK (sales_team_size >= 0),
  average_deal_size_usd integer CHECK (average_deal_size_usd >= 0),
  sales_cycle_days integer CHECK (sales_cycle_days >= 0),
  target_market text,
  market_segments jsonb NOT NULL DEFAULT '[]',
  primary_products jsonb NOT NULL DEFAULT '[]',
  sales_regions jsonb NOT NULL DEFAULT '[]',
  deal_types jsonb NOT NULL DEFAULT '[]',
  sales_methodology varchar(100),
  sales_stage varchar(50) CHECK (sales_stage IN ('early', 'growing', 'mature', 'enterprise')),
  typical_buying_cycle jsonb NOT NULL DEFAULT '{}',
  main_competitors jsonb NOT NULL DEFAULT '[]',
  competitive_advantages jsonb NOT NULL DEFAULT '[]',
  unique_selling_points jsonb NOT NULL DEFAULT '[]',
  company_description text,
  notes text,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE products (
  id uuid PRIMARY KEY,
  org_id uuid NOT NULL REFERENCES organizations (id) ON DELETE RESTRICT,
  name varchar(255) NOT NULL,
  description text,
  category varchar(100),
  key_features jsonb NOT NULL DEFAULT '[]',
  pricing_info jsonb NOT NULL DEFAULT '{}',
  target_audience text,
  competitive_advantages text,
  use_cases jsonb NOT NULL DEFAULT '[]',
  is_active boolean NOT NULL DEFAULT true,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (org_id, id)
);

CREATE TABLE clients (
  id uuid PRIMARY KEY,
  org_id uuid NOT NULL REFERENCES organizations (id) ON DELETE RESTRICT,
  name varchar(255) NOT NULL,
  company varchar(255),
  title varchar(255),
  industry varchar(100),
  email varchar(255),
  pain_points jsonb NOT NULL DEFAULT '[]',
  goals jsonb NOT NULL DEFAULT '[]',
  objection_patterns jsonb NOT NULL DEFAULT '[]',
  communication_style text,
  decision_criteria jsonb NOT NULL DEFAULT '[]',
  is_active boolean NOT NULL DEFAULT true,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (org_id, id)
);
