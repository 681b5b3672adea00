"""The outbox and the channels that empty it: service mails, the demo mailbox. Not what campaigns say or to whom."""
