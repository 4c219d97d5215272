#pragma once
// Every maximum of static sites, with its unit and what it costs. All are per core.

#include <cstddef>
#include <cstdint>

namespace ringtime::site::limits {

/// Decoded path of a file below its site's folder; longer ones do not exist.
inline constexpr size_t path_bytes_max = 1023;
/// One name of a path, as the kernel's NAME_MAX.
inline constexpr size_t name_bytes_max = 255;
/// Ranges of one request; more make the Range field ignored (RFC 9110 §14.2).
inline constexpr unsigned ranges_max = 16;

/// Files up to this size are kept in memory whole; larger ones are streamed from an open
/// descriptor.
inline constexpr uint64_t memory_file_bytes_default = 1024 * 1024;
/// From this size on a cached file takes a descriptor, and is sent by the kernel without a copy.
inline constexpr uint64_t mapped_file_bytes_min = 128 * 1024;
/// What is left of such a file to send for which that is worth a system call.
inline constexpr uint64_t kernel_sent_bytes_min = 64 * 1024;
/// Of a file on disk so much is asked for at once: it is first seen to lie in memory.
inline constexpr uint64_t kernel_sent_bytes_max = 1024 * 1024;
/// The end of a file on disk that is always read, never sent by the kernel.
inline constexpr uint64_t last_read_bytes = 16 * 1024;
/// Bytes of all cached files and heads.
inline constexpr uint64_t cache_bytes_default = 64 * 1024 * 1024;
/// Paths remembered, about 250 B each without their content.
inline constexpr size_t entries_default = 16384;
/// Descriptors kept open for streamed files.
inline constexpr size_t open_files_default = 512;
/// Paths being looked up at once, 5 KiB each; others wait for their turn.
inline constexpr size_t loads_max = 512;
/// Largest read while a file is taken into memory: bounds how long one copy holds the core.
inline constexpr uint32_t load_read_bytes = 256 * 1024;
/// Times a file that changes while it is read is read again before it is streamed instead.
inline constexpr unsigned load_attempts_max = 3;
/// Times a lookup that lost a race with a rename (EAGAIN) is tried again.
inline constexpr unsigned open_attempts_max = 32;

/// Times a lookup waits for a file that is being written to rest.
inline constexpr unsigned settle_attempts_max = 4;

/// Files smaller than this are not compressed: the head costs more than what is saved.
inline constexpr uint64_t compress_bytes_min = 512;
/// Jobs that wait for the one thread that compresses; more are asked for again by later requests.
inline constexpr size_t compressions_max = 256;
/// Results kept beside the cores' own copies, for the other cores, in all.
inline constexpr size_t compressed_kept_bytes = 16 * 1024 * 1024;
inline constexpr size_t compressed_kept_max = 256;

/// One read of a streamed file.
inline constexpr uint32_t stream_buffer_bytes = 128 * 1024;
/// Buffers of one stream, those still being sent included.
inline constexpr unsigned stream_buffers_per_answer = 2;
/// Buffers of all streams: 64 MiB. Streams that find none wait for the next one returned.
inline constexpr size_t stream_buffers_max = 512;

/// Answers of sites in progress.
inline constexpr size_t answers_max = 16384;
/// Heads made for one answer (ranges, redirects), 2 KiB each and the text of their parts.
inline constexpr size_t made_heads_max = 4096;

}  // namespace ringtime::site::limits

namespace ringtime::site::ages {

// Milliseconds. What is on disk is seen at most this much later.
inline constexpr uint64_t fresh_ms = 1000;
/// An entry this close to its end that is asked for is looked up again while it still serves.
inline constexpr uint64_t refresh_ahead_ms = 300;
/// How old a site's folder handle may be when a lookup begins.
inline constexpr uint64_t folder_ms = 250;
/// A file written to less than this ago may change once more without a new modification time: the
/// kernel's clock for those advances by 1 to 10 ms. It is not used before it has rested.
inline constexpr uint64_t settle_ms = 20;
/// After a release was switched: pages loaded just before still find the files they name.
inline constexpr uint64_t release_overlap_ms = 60'000;
/// A folder that is being replaced by two renames has no name in between: the old one serves on.
inline constexpr uint64_t folder_gone_ms = 2000;
/// Entries nobody asked for are dropped, and their descriptors closed.
inline constexpr uint64_t idle_ms = 60'000;

static_assert(folder_ms + refresh_ahead_ms < fresh_ms);

}  // namespace ringtime::site::ages
