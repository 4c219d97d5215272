#pragma once
// The zygote as the supervisor sees it, and the descriptors of one worker process. Main thread.

#include <sys/types.h>

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "worker/spec.h"
#include "worker/zygote_protocol.h"

namespace ringtime::worker {

/// Splits what a worker prints into lines; the last ones are kept to explain its end.
class OutputLines {
  public:
    static constexpr size_t line_bytes_max = 1024;
    static constexpr size_t lines_kept = 5;

    template <typename Visit>
    void feed(std::string_view text, Visit&& visit) {
        for (char c : text) {
            if (c != '\n') partial_.push_back(c);
            if (c == '\n' || partial_.size() == line_bytes_max) end_line(visit);
        }
    }
    template <typename Visit>
    void finish(Visit&& visit) {
        if (!partial_.empty()) end_line(visit);
    }
    /// For the end of a line about its end: `; it said last: no such file | giving up`, or nothing.
    [[nodiscard]] std::string last_words() const {
        std::string text;
        for (const std::string& line : last_)
            text += (text.empty() ? "; it said last: " : " | ") + line;
        return text;
    }
    void clear() {
        partial_.clear();
        last_.clear();
    }

  private:
    template <typename Visit>
    void end_line(Visit&& visit) {
        visit(std::string_view(partial_));
        last_.push_back(std::move(partial_));
        partial_.clear();
        if (last_.size() > lines_kept) last_.pop_front();
    }

    std::string partial_;
    std::deque<std::string> last_;
};

/// How a process ended, by what wait(2) says of it.
[[nodiscard]] std::string describe_end(int wait_status);

/// The supervisor's ends of one worker's descriptors.
struct ProcessChannels {
    Fd control;
    Fd doorbell;
    Fd out;
    Fd err;
};

class ZygoteClient {
  public:
    /// False: `problem` names the cause and the remedy.
    [[nodiscard]] bool start(const std::string& host_path, std::string& problem);
    /// Ends it and, with it, every worker.
    void stop() noexcept;
    [[nodiscard]] int fd() const noexcept { return socket_.get(); }
    [[nodiscard]] bool running() const noexcept { return static_cast<bool>(socket_); }
    [[nodiscard]] pid_t pid() const noexcept { return pid_; }

    /// Asks for a process. An errno (EMSGSIZE: arguments and environment are too large), or 0.
    [[nodiscard]] int spawn(const AppSpec& app, const std::string& host_path,
                            const std::vector<std::string>& environment, uint32_t worker,
                            const std::string& cgroup, ProcessChannels& channels);
    /// One report; `pidfd` as it came with it. 1, 0: none now, -1: the zygote is gone.
    [[nodiscard]] int receive(ZygoteReport& report, Fd& pidfd) noexcept;

  private:
    Fd socket_;
    pid_t pid_ = -1;
};

}  // namespace ringtime::worker
