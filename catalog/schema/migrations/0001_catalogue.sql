-- The catalogue's tables. One text for SQLite and PostgreSQL: times are bigint, in
-- microseconds since 1970 UTC, -1 for never; booleans smallint; names and paths bytea,
-- compared bytewise; all other text ASCII or checked UTF-8, in a database of collation C.

create table meta (
	name  text  not null primary key,
	value bytea not null
);

create table counter (
	name  text   not null primary key,
	value bigint not null
);

insert into counter (name, value) values ('event', 0);

create table volume (
	label            text     not null primary key,
	on_tape          text     not null,
	library          text     not null,
	storage_group    text     not null,
	file_family      text     not null,
	wrapper          text     not null,
	media_type       text     not null,
	block_size       bigint   not null,
	capacity         bigint   not null,
	remaining        bigint   not null check (remaining >= 0),
	eod_partition    bigint   not null,
	eod_block        bigint   not null,
	eod_file         bigint   not null check (eod_file >= 0),
	epoch            bigint   not null check (epoch >= 0),
	holder           bytea,
	intent_lease     bytea,
	intent_epoch     bigint   not null,
	intent_partition bigint   not null,
	intent_block     bigint   not null,
	intent_file      bigint   not null,
	intent_since     bigint   not null,
	intent_drive     text     not null,
	intent_unclean   smallint not null check (intent_unclean in (0, 1)),
	system_access    text     not null check (system_access in ('none', 'noaccess', 'notallowed', 'deleted')),
	system_write     text     not null check (system_write in ('none', 'full', 'readonly', 'migrating', 'migrated', 'duplicating', 'duplicated', 'cloning', 'cloned')),
	user_access      text     not null check (user_access in ('none', 'noaccess', 'notallowed', 'deleted')),
	user_write       text     not null check (user_write in ('none', 'full', 'readonly', 'migrating', 'migrated', 'duplicating', 'duplicated', 'cloning', 'cloned')),
	inhibits         text     not null, -- when, who and why of the four above, JSON; empty if none was ever changed
	write_protected  smallint not null check (write_protected in (0, 1)),
	checked          smallint not null check (checked in (0, 1)),
	declared         bigint   not null,
	first_access     bigint   not null,
	last_access      bigint   not null,
	mounts           bigint   not null,
	write_errors     bigint   not null,
	read_errors      bigint   not null,
	files            bigint   not null,
	bytes            bigint   not null,
	deleted_files    bigint   not null,
	deleted_bytes    bigint   not null,
	dead_bytes       bigint   not null,
	comment          text     not null
);

create unique index volume_on_tape on volume (on_tape);
create unique index volume_holder on volume (holder) where holder is not null;
create index volume_intent on volume (label) where intent_lease is not null;
create index volume_choice on volume (library, storage_group, file_family, wrapper, system_write, declared, label);
create index volume_capacity on volume (library, capacity);

create table file (
	bfid          text     not null primary key,
	request       bytea,
	volume        text     not null,
	loc_partition bigint   not null,
	loc_block     bigint   not null,
	loc_file      bigint   not null,
	header        bigint   not null,
	size          bigint   not null check (size >= 0),
	adler         bigint   not null,
	sanity_size   bigint   not null,
	sanity_sum    bigint   not null,
	deletion      smallint not null check (deletion in (0, 1, 2)),
	bad           smallint not null check (bad in (0, 1)),
	storage_group text     not null,
	file_family   text     not null,
	wrapper       text     not null,
	library       text     not null,
	path          bytea    not null,
	entry         bigint   not null,
	uid           bigint   not null,
	gid           bigint   not null,
	mode          bigint   not null,
	mtime         bigint   not null,
	created       bigint   not null,
	drive         text     not null,
	level         smallint not null,
	verified      bigint   not null,
	original      text
);

create unique index file_request on file (request) where request is not null;
create index file_volume on file (volume, loc_file, bfid);
create index file_original on file (original, bfid) where original is not null;

create table flush (
	lease          bytea  not null,
	seq            bigint not null,
	volume         text   not null,
	epoch          bigint not null,
	from_partition bigint not null,
	from_block     bigint not null,
	from_file      bigint not null,
	to_partition   bigint not null,
	to_block       bigint not null,
	to_file        bigint not null,
	at             bigint not null,
	results        text   not null, -- JSON
	primary key (lease, seq)
);

create table entry (
	id      bigint   not null primary key,
	parent  bigint   not null,
	name    bytea    not null,
	dir     smallint not null check (dir in (0, 1)),
	bfid    text     not null,
	size    bigint   not null,
	mode    bigint   not null,
	uid     bigint   not null,
	gid     bigint   not null,
	mtime   bigint   not null,
	created bigint   not null
);

create unique index entry_name on entry (parent, name);

create table tag (
	entry bigint not null,
	name  text   not null,
	value text   not null,
	primary key (entry, name)
);

create table event (
	seq     bigint not null primary key,
	at      bigint not null,
	kind    text   not null,
	subject bytea  not null,
	data    text   not null -- JSON
);
