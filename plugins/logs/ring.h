#pragma once
// The latest entries of the log, as many as fit into a number of entries and of bytes. One thread
// adds, others read: a lock that is held for as long as a page takes to write.

#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <ringtime/plugin.hpp>

struct Entry {
    uint64_t id = 0;  ///< 1, 2, 3, ... since the plugin was loaded.
    uint64_t wall_ms = 0;
    uint64_t lost = 0;  ///< Entries the gateway dropped before this one.
    uint8_t kind = 0;
    uint8_t level = 0;
    uint16_t status = 0;
    std::string source;
    std::string text;

    [[nodiscard]] std::string json() const;
};

/// Which entries somebody wants to see.
struct Filter {
    std::optional<uint8_t> kind;
    uint8_t level_min = 0;
    uint16_t status_min = 0;
    uint16_t status_max = UINT16_MAX;
    std::string source;
    std::string text;
    uint64_t after = 0;  ///< Entries with a higher id.
    size_t limit = 100;

    /// Of `level=warn&status=5xx&text=boom`. False: `problem` says what is wrong with it.
    [[nodiscard]] bool parse(std::string_view query, std::string& problem);
    [[nodiscard]] bool wants(const Entry& entry) const;

 private:
    [[nodiscard]] bool take(std::string_view key, const std::string& value);
};

class Ring {
 public:
    Ring(size_t entries_max, size_t bytes_max) : entries_max_(entries_max), bytes_max_(bytes_max) {}

    /// With its id.
    [[nodiscard]] Entry add(const ringtime::LogEntry& entry);
    /// The latest the filter wants, the oldest of them first.
    [[nodiscard]] std::vector<Entry> find(const Filter& filter) const;

 private:
    size_t entries_max_;
    size_t bytes_max_;
    mutable std::mutex lock_;
    std::deque<Entry> entries_;
    size_t bytes_ = 0;
    uint64_t next_ = 1;
};
