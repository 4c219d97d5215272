#pragma once
// What was in force before and is still used by requests that began then. A generation is let go of
// when no core holds its snapshot any more: plugins nobody else has are stopped and unloaded,
// workers of changed and removed apps drained, connections of upstreams closed, memory freed - on
// the control thread, never on a core.
//
// Plugins and workers do not wait for ever: when the drain time is over, requests that still need
// them are cut and they end. Requests that need neither may go on as long as they like. A stream or
// tunnel of a worker needs no configuration any more, but its worker, who is given the same time.

#include <memory>
#include <vector>

#include "base/clock.h"
#include "runtime/core_thread.h"
#include "runtime/main_tasks.h"
#include "runtime/published.h"
#include "worker/supervisor.h"

namespace ringtime::runtime {

struct RetirementParts {
    std::vector<std::unique_ptr<CoreThread>>& cores;
    worker::Supervisor& supervisor;
    MainTasks& main;
};

class Retirement {
 public:
    explicit Retirement(const RetirementParts& parts) : parts_(parts) {}

    /// `generation` was replaced just now.
    void add(std::shared_ptr<Published> generation);
    /// Lets go of what is free. `current` is in force.
    void tend(const Published& current);
    [[nodiscard]] bool empty() const noexcept { return retiring_.empty() && upstreams_.empty(); }
    /// When tend() wants to be called again.
    [[nodiscard]] Milliseconds pause() const noexcept;
    /// Plugin sets of everything that lives.
    [[nodiscard]] std::vector<const hook::PluginSet*> living(const Published& current) const;
    [[nodiscard]] std::vector<std::shared_ptr<Published>> take_all();

 private:
    struct Retiring {
        std::shared_ptr<Published> generation;
        Nanoseconds since = 0;
        bool overdue = false;
        bool parts_ended = false;  ///< What it alone has is gone; its requests go on.
    };
    using Generations = std::vector<const Published*>;

    void let_go_of_free(const Published& current);
    void end_overdue(const Published& current);
    [[nodiscard]] bool cut(const Published& generation, const Generations& staying);
    enum class Rest : uint8_t { kept, dropped };
    /// `deadline`: when its drain time is over.
    void end_parts(Published& generation, const Generations& others, Rest rest,
                   Nanoseconds deadline);
    void remove_apps(Published& generation, const Generations& others, Nanoseconds deadline);
    void end_plugins(Published& generation, const Generations& others, Rest rest);
    void collect_upstreams(const Published& generation, const Generations& others);
    void forget_upstreams();

    RetirementParts parts_;
    std::vector<Retiring> retiring_;
    /// In no generation any more; their last connections are closing.
    std::vector<std::shared_ptr<upstream::Upstream>> upstreams_;
};

}  // namespace ringtime::runtime
