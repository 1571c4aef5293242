// Tasks of consecutive numbers on several threads, their outcomes handed over in the order of numbers.
//
// Rules
//  - Tasks share nothing but what none of them changes, so what is handed over, an exception included, does not depend
//    on the number of threads.
//  - When the object goes away no other task is started, and those that run are waited for.
#pragma once

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

namespace ticklab::lab {

template <class Outcome>
class OrderedTasks {
public:
    using Task = std::function<Outcome(std::uint64_t number)>;

    /// Starts with the tasks `first` to `last`, both included, on at most `jobs` threads.
    OrderedTasks(std::uint64_t first, std::uint64_t last, unsigned jobs, Task task)
        : task_(std::move(task)), unstarted_(first), next_(first), last_(last) {
        for (unsigned i = 0; i < std::max(1u, jobs) && i <= last - first; ++i)
            threads_.emplace_back([this] { work(); });
    }

    /// The outcome of the next number, or none after `patience`; rethrows what its task threw.
    std::optional<Outcome> next(std::chrono::milliseconds patience) {
        std::unique_lock lock(mutex_);
        ready_.wait_for(lock, patience, [&] { return done_.contains(next_); });
        const auto at = done_.find(next_);
        if (at == done_.end())
            return std::nullopt;
        Result result = std::move(at->second);
        done_.erase(at);
        ++next_;
        if (const auto* error = std::get_if<std::exception_ptr>(&result))
            std::rethrow_exception(*error);
        return std::get<Outcome>(std::move(result));
    }

private:
    using Result = std::variant<Outcome, std::exception_ptr>;
    struct Closer {
        OrderedTasks& tasks;
        ~Closer() {
            const std::lock_guard guard(tasks.mutex_);
            tasks.closed_ = true;
        }
    };

    std::optional<std::uint64_t> take() {
        const std::lock_guard guard(mutex_);
        if (closed_)
            return std::nullopt;
        closed_ = unstarted_ == last_;
        return unstarted_++;
    }
    Result perform(std::uint64_t number) const {
        try {
            return task_(number);
        } catch (...) {
            return std::current_exception();
        }
    }
    void work() {
        while (const std::optional<std::uint64_t> number = take()) {
            Result result = perform(*number);
            const std::lock_guard guard(mutex_);
            done_.emplace(*number, std::move(result));
            if (*number == next_)
                ready_.notify_one();
        }
    }

    Task task_;
    std::mutex mutex_;
    std::condition_variable ready_;
    std::uint64_t unstarted_;
    std::uint64_t next_;
    std::uint64_t last_;
    bool closed_ = false;
    std::map<std::uint64_t, Result> done_;
    std::vector<std::jthread> threads_;
    Closer closer_{*this};  // goes first: the threads end, whatever way this object is left
};

}  // namespace ticklab::lab
