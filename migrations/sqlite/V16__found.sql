-- What pages look for in the audit is found in an index, in the order of the chain.
CREATE INDEX audit_by_act ON audit (act, position);
CREATE INDEX audit_by_account ON audit (account, position);
CREATE INDEX audit_by_subject ON audit (subject, position);
-- What waits for a decision is found without walking through all that was decided.
CREATE INDEX quarantine_waiting ON quarantine (id, unit) WHERE verdict = 'quarantined' AND outcome IS NULL;
CREATE INDEX quarantine_rejected ON quarantine (id, unit) WHERE verdict = 'rejected' AND outcome IS NULL;
