#pragma once
// Packages as archives: what `ringtime pack` writes and uploads unpack. An upload comes from
// whoever holds a key, so nothing in it is believed: only plain files and folders are taken, below
// a folder that was empty before, under names that mean one thing, within limits of size, count,
// depth and ratio. Whatever else is in it (links, devices, absolute paths, `..`, a name twice)
// refuses the whole. Control threads and the command line.

#include <cstddef>
#include <cstdint>
#include <string>

#include "exchange/api.h"

namespace ringtime::runtime {

struct ArchiveLimits {
    uint64_t bytes_max = uint64_t{512} * 1024 * 1024;
    uint32_t entries_max = 20'000;  ///< Files and folders.
    /// Unpacked bytes for one of the archive, beyond the first megabyte.
    uint32_t ratio_max = 200;
};

/// Unpacks a .tar.gz, .tar or .zip into `folder`, which exists and is empty. False: `problem` names
/// the entry and what is wrong with it; what was written so far is the caller's to remove.
[[nodiscard]] bool unpack(const exchange::BlockText& archive, const std::string& folder,
                          const ArchiveLimits& limits, std::string& problem);

/// Writes all of `folder` but hidden files as a .tar.gz. Files keep their modification times,
/// because sites tell versions apart by them; owners and names are left out. False: `problem`; no
/// file is left.
struct PackSummary {
    size_t files = 0;
    uint64_t bytes = 0;
    uint64_t packed_bytes = 0;
};
[[nodiscard]] bool pack(const std::string& folder, const std::string& file, PackSummary& summary,
                        std::string& problem);

}  // namespace ringtime::runtime
