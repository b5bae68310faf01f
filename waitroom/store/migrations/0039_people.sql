-- Rules that tell people from programs.

-- The least time from the claim to the first payment: people need some seconds to choose and to pay.
ALTER TABLE room ADD COLUMN pay_after_s int NOT NULL DEFAULT 2 CHECK (pay_after_s BETWEEN 0 AND 600);

-- When a join proves that it is one of few: never, under pressure of its network or room, or always. What
-- proves it is work, or the check of an outside provider. While that one is away an open room takes work in its
-- place, and a closed one gives no place.
ALTER TABLE room ADD COLUMN proof_of_work text NOT NULL DEFAULT 'pressure'
    CHECK (proof_of_work IN ('never', 'pressure', 'always'));
ALTER TABLE room ADD COLUMN human_check text NOT NULL DEFAULT 'never'
    CHECK (human_check IN ('never', 'pressure', 'always'));
ALTER TABLE room ADD COLUMN human_check_away text NOT NULL DEFAULT 'open'
    CHECK (human_check_away IN ('open', 'closed'));
