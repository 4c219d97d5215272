#pragma once
// One attempt to bring a new configuration into force, step by step on the control thread. What it
// began is taken back when it is destroyed before publish(): plugins that were loaded are unloaded,
// workers that were started are ended. What serves is not touched until publish().
//
//     ReloadAttempt attempt(...);
//     if (attempt.compile() && attempt.load_plugins() && attempt.start_workers())
//         next = attempt.publish();

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "runtime/reloader.h"

namespace ringtime::runtime {

class ReloadAttempt {
 public:
    struct Ground {
        const ReloadParts& parts;
        const Published& before;  ///< In force.
        /// Plugin sets that serve now; what they have is not stopped when the attempt fails.
        std::vector<const hook::PluginSet*> living;
        const std::atomic<bool>& stopping;
    };

    ReloadAttempt(const Ground& ground, ReloadReport& report);
    ReloadAttempt(const ReloadAttempt&) = delete;
    ReloadAttempt& operator=(const ReloadAttempt&) = delete;
    ~ReloadAttempt();

    /// Reads and compiles everything, and says what would change.
    [[nodiscard]] bool compile();
    /// Loads new and changed plugins, and starts them on every core.
    [[nodiscard]] bool load_plugins();
    /// Starts new and changed apps, and waits until they can serve.
    [[nodiscard]] bool start_workers();
    /// All cores use it when this returns.
    [[nodiscard]] std::shared_ptr<Published> publish();

 private:
    void carry_over();
    [[nodiscard]] bool start_plugins();
    [[nodiscard]] bool wait_for_workers();
    void wait_for_rest(Nanoseconds deadline);
    [[nodiscard]] bool flush_cores();
    void wait_for_names();
    void share_unchanged_set();
    void end_replaced_streams();
    bool refuse(const config::Package* package, std::string text, std::string remedy);
    [[nodiscard]] const config::Package* package_of(std::string_view name,
                                                    config::PackageKind kind) const;

    Ground ground_;
    ReloadReport& report_;
    std::shared_ptr<Published> next_;
    std::vector<uint32_t> started_;  ///< Apps that are new here, by the supervisor's numbers.
    std::vector<hook::Reconfigured> reconfigured_;
    bool published_ = false;
};

}  // namespace ringtime::runtime
