/**
 * Sql, for a statement whose `gone` has the keys that it has deleted (tenant, session_key, session_id, generation):
 * a line of the journal for each, with why it went.
 */
export const tellGone = (reason: "RETENTION" | "ERASURE"): string => `
      insert into journal (tenant, create_time, operation, accepted, reason, session_key, raw_key,
        session_id, generation, turn_id, delivery_id, source, principal, request_id, trace_id,
        rule_set_version, error_message, note, count, last_time)
      select gone.tenant, clock_timestamp(), 'forget_key', true, '${reason}', gone.session_key, '',
        coalesce(gone.session_id::text, ''), coalesce(gone.generation, 0), '', '', 'session-identity', '', '', '',
        0, '', '', 1, clock_timestamp()
      from gone`;

/** Sql: gives tenants back what `gone`, and `gone_bindings` with their tenants, took of the quota; in the shard `shard`. */
export const giveBack = (shard: string): string => `
      insert into tenant_usage (tenant, shard, key_count, binding_count)
      select held.tenant, ${shard}::smallint, -sum(held.keys), -sum(held.bindings) from (
        select tenant, 1 as keys, 0 as bindings from gone
        union all select tenant, 0, 1 from gone_bindings
      ) held
      group by held.tenant order by held.tenant
      on conflict (tenant, shard) do update set
        key_count = tenant_usage.key_count + excluded.key_count,
        binding_count = tenant_usage.binding_count + excluded.binding_count`;
