-- The playlist that a whole is played by, relative to its room's folder: looked for in the bucket.
alter table recordings add column playlist text;

-- The usual one is known by its name; any other when its whole is next saved.
update recordings set playlist = ('whole/' || source_id || '/playlist.m3u8')
    where kind = 'whole' and bytes is not null
        and stored like ('%"key":"whole/' || source_id || '/playlist.m3u8"%');
