#pragma once
// Replaces a file whole: readers, and the next start after a crash, see the old text or the new one
// and never a part. Control threads and the command line.

#include <sys/types.h>

#include <string>
#include <string_view>

namespace ringtime::runtime {

/// Writes `text` beside `path`, to disk, and renames it over. False: `problem` names the cause.
[[nodiscard]] bool replace_file(const std::string& path, std::string_view text, mode_t mode,
                                std::string& problem);
/// At most `bytes_max`. False: not there (`missing`), or `problem` names the cause.
enum class FileRead : uint8_t { good, missing, failed };
[[nodiscard]] FileRead read_file(const std::string& path, size_t bytes_max, std::string& out,
                                 std::string& problem);

}  // namespace ringtime::runtime
