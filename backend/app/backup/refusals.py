"""Why a backup or a restore is refused: stable codes, one sentence each."""

from __future__ import annotations

REASONS = {
    "backup_foreign": "This is no backup of Stempel.",
    "backup_newer": "A newer release made this backup; restore it with that release or a later one.",
    "backup_older": "This release does not know the schema of the backup; restore it with the release that made it.",
    "backup_damaged": "The backup is damaged: its content is not what was written. Take another one.",
    "backup_cut_short": "The backup is cut short: its end is missing. Take another one.",
    "backup_wrong_key": "Neither this passphrase nor this key opens the backup.",
    "backup_no_key": "A passphrase or a key is needed: STEMPEL_BACKUP_PASSPHRASE_FILE or STEMPEL_BACKUP_RECIPIENT.",
    "backup_bad_recipient": "This is no public key for backups; ./stempel backup --new-key FILE makes one.",
    "backup_weak_passphrase": "The passphrase is too short to protect a file that may be copied.",
    "backup_file": "A file of the installation cannot be taken into the backup.",
    "backup_no_owner": "The owner's login is needed: STEMPEL_DATABASE_ADMIN_URL.",
    "backup_running": "Another backup is being written to this folder.",
    "backup_busy": "A migration is under way; the backup waited and gave up.",
    "backup_unverified": "What was written could not be read back; the file was taken away again.",
    "restore_not_empty": "There is something at the target already; a restore needs an empty database and no keys.",
    "restore_foreign_server": "The target's server cannot hold this backup.",
    "restore_failed": "The restore failed and was undone; the target is empty as before.",
}


class BackupRefused(Exception):
    """A backup or a restore that was refused. code: one of REASONS; more: what exactly, for the operator."""

    def __init__(self, code: str, more: str = "") -> None:
        assert code in REASONS, code
        self.code = code
        super().__init__(f"{code}: {REASONS[code]}{' ' + more if more else ''}")
