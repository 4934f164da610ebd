-- Where a replica has much to send, it looks at what is due of each tenant: whose turn it is does not hang on how
-- much the others have waiting.

CREATE INDEX routes_due_of_tenant ON routes (tenant, due_time) WHERE due_time IS NOT NULL;
