-- Prompts and answers are the bulk of what is written. LZ4 compresses them in a tenth of the time; a server without it goes on
-- as before. What is stored already stays as it is.
DO $$
BEGIN
  ALTER TABLE provider_calls ALTER prompt_messages SET COMPRESSION lz4, ALTER output_content SET COMPRESSION lz4;
  ALTER TABLE provider_calls_default ALTER prompt_messages SET COMPRESSION lz4, ALTER output_content SET COMPRESSION lz4;
  ALTER TABLE pipeline_runs ALTER result SET COMPRESSION lz4, ALTER input SET COMPRESSION lz4, ALTER context_snapshot SET COMPRESSION lz4;
  ALTER TABLE pipeline_steps ALTER output SET COMPRESSION lz4;
  ALTER TABLE sales_emails ALTER body SET COMPRESSION lz4, ALTER words SET COMPRESSION lz4;
  ALTER TABLE sales_scripts ALTER words SET COMPRESSION lz4;
EXCEPTION WHEN feature_not_supported OR invalid_parameter_value THEN
  RAISE NOTICE 'this server was built without LZ4';
END
$$;
