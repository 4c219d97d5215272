#pragma once
// What the snippets of docs/plugins.md take for granted; the test that compiles them puts this
// before each. Nothing here runs.
#include <ringtime/plugin.hpp>

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

struct Lookups {
    void push(std::function<void()>) {}
};
struct Store {
    bool reachable() { return true; }
};
struct Page {
    void add(const ringtime::Metric&) {}
};
struct Started {
    uint64_t at;
};
inline uint64_t look_up() { return 1; }
inline bool read_the_file() { return true; }

/// Members the snippets use; those that a snippet declares itself hide these.
struct Base {
    ringtime::Verdict item(ringtime::Request&) { return ringtime::Verdict::next; }
    ringtime::Verdict file(ringtime::Request&) { return ringtime::Verdict::next; }
    ringtime::Verdict order(ringtime::Request&) { return ringtime::Verdict::next; }
    ringtime::Verdict listen(ringtime::Request&) { return ringtime::Verdict::next; }
    void count(const ringtime::MetricWriter&) {}
    void heard(const ringtime::LogEntry&) {}
    void refill() {}

    std::atomic<uint64_t> limit_{0};
    ringtime::Static busy_;
    ringtime::Channel news_;
    ringtime::Endpoint chat_;
    Lookups lookups_;
    Store store_;
    double orders_ = 0;
};
