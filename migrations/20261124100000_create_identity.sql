-- Who signs in, and for whom. Neither table has row-level security: a token's organisation must be
-- found before `app.org_id` is known. The api has no right on them but EXECUTE of `sign_in`.

CREATE TABLE organizations (
  id uuid PRIMARY KEY,
  external_id varchar(255) NOT NULL UNIQUE,               -- the token's org_id
  name varchar(255) NOT NULL,
  slug varchar(100),
  settings jsonb NOT NULL DEFAULT '{}',
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE users (
  id uuid PRIMARY KEY,
  auth_provider varchar(50) NOT NULL,
  auth_subject varchar(255) NOT NULL,                     -- the token's sub
  email varchar(255),
  display_name varchar(255),
  avatar_url text,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT users_auth_unique UNIQUE (auth_provider, auth_subject)
);

CREATE TABLE organization_memberships (
  id uuid PRIMARY KEY,
  user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  org_id uuid NOT NULL REFERENCES organizations (id) ON DELETE RESTRICT,
  role varchar(50) NOT NULL DEFAULT 'member' CHECK (role IN ('member', 'manager', 'admin', 'operator')),
  permissions jsonb NOT NULL DEFAULT '[]',
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT org_membership_unique UNIQUE (user_id, org_id)
);
CREATE INDEX memberships_org ON organization_memberships (org_id, user_id);

-- Makes the user, the organisation and the membership of a token at first sight, and returns their ids.
-- Two first requests at once are safe: the loser of an insert waits, then reads the winner's row.
CREATE FUNCTION sign_in(
  p_provider text, p_subject text, p_org_external_id text, p_role text, p_permissions jsonb,
  p_email text, p_display_name text, p_org_name text,
  p_new_user uuid, p_new_org uuid, p_new_membership uuid
) RETURNS TABLE (user_id uuid, org_id uuid, email text, display_name text, org_name text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
DECLARE v_user public.users%ROWTYPE; v_org public.organizations%ROWTYPE;
BEGIN
  INSERT INTO public.organizations AS o (id, external_id, name)
  VALUES (p_new_org, p_org_external_id, coalesce(p_org_name, p_org_external_id)) ON CONFLICT (external_id) DO NOTHING;
  SELECT * INTO STRICT v_org FROM public.organizations o WHERE o.external_id = p_org_external_id;
  IF p_org_name IS NOT NULL AND v_org.name <> p_org_name THEN
    UPDATE public.organizations o SET name = p_org_name, updated_at = clock_timestamp() WHERE o.id = v_org.id RETURNING * INTO v_org;
  END IF;

  INSERT INTO public.users AS u (id, auth_provider, auth_subject, email, display_name)
  VALUES (p_new_user, p_provider, p_subject, p_email, p_display_name) ON CONFLICT (auth_provider, auth_subject) DO NOTHING;
  SELECT * INTO STRICT v_user FROM public.users u WHERE u.auth_provider = p_provider AND u.auth_subject = p_subject;
  IF (p_email IS NOT NULL AND v_user.email IS DISTINCT FROM p_email)
     OR (p_display_name IS NOT NULL AND v_user.display_name IS DISTINCT FROM p_display_name) THEN
    UPDATE public.users u SET email = coalesce(p_email, u.email), display_name = coalesce(p_display_name, u.display_name),
      updated_at = clock_timestamp() WHERE u.id = v_user.id RETURNING * INTO v_user;
  END IF;

  INSERT INTO public.organization_memberships AS m (id, user_id, org_id, role, permissions)
  VALUES (p_new_membership, v_user.id, v_org.id, p_role, p_permissions)
  ON CONFLICT ON CONSTRAINT org_membership_unique DO UPDATE SET role = excluded.role, permissions = excluded.permissions, updated_at = clock_timestamp()
  WHERE (m.role, m.permissions) IS DISTINCT FROM (excluded.role, excluded.permissions);

  RETURN QUERY SELECT v_user.id, v_org.id, v_user.email::text, v_user.display_name::text, v_org.name::text;
END $$;
REVOKE ALL ON FUNCTION sign_in FROM PUBLIC;
