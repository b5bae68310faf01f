-- Rules that tell people from programs.

-- The least time from the claim to the first payment: people need some seconds to choose and to pay.
ALTER TABLE room ADD COLUMN pay_after_s int NOT NULL DEFAULT 2 CHECK (pay_after_s BETWEEN 0 AND 600);
