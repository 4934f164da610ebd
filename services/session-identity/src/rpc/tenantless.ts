/**
 * Methods that a service may call without naming a tenant: a watch of all tenants, what is to be removed of all, what
 * concerns every tenant, and the stream whose frames name their own.
 */
export const TENANTLESS = ["watchSessions", "raiseFences", "listErasuresToDo", "exchange"] as const;
