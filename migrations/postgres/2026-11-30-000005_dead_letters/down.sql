DROP TABLE queue_consumers;
DROP TABLE dead_letters;
