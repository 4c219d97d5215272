#include "runtime/main_tasks.h"

#include <sys/eventfd.h>

#include <future>

#include "base/assert.h"

namespace ringtime::runtime {

MainTasks::MainTasks() : signal_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) { ASSERT(signal_); }

void MainTasks::post(std::function<void()> task) {
    {
        std::lock_guard lock(mutex_);
        tasks_.push_back(std::move(task));
    }
    ::eventfd_write(signal_.get(), 1);
}

void MainTasks::call(const std::function<void()>& task) {
    std::promise<void> done;
    post([&] {
        task();
        done.set_value();
    });
    done.get_future().wait();
}

void MainTasks::run_all() {
    eventfd_t count = 0;
    (void)::eventfd_read(signal_.get(), &count);
    std::vector<std::function<void()>> tasks;
    {
        std::lock_guard lock(mutex_);
        tasks.swap(tasks_);
    }
    for (const auto& task : tasks) task();
}

}  // namespace ringtime::runtime
