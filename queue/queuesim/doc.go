package queuesim
