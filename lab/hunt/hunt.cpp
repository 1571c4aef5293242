#include "ticklab/lab/hunt/hunt.hpp"

#include <algorithm>
#include <condition_variable>
#include <exception>
#include <map>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

namespace ticklab::lab {
namespace {

using Clock = std::chrono::steady_clock;

struct Outcome {
    std::optional<HuntFailure> failure;
    bool inconclusive = false;
    std::uint64_t records = 0;
};

std::optional<HuntFailure> failure_of(const Experiment& experiment, const Scenario& scenario, bool expectations) {
    HuntFailure failure;
    if (const std::optional<sim::Verdict>& verdict = experiment.machine().verdict();
        verdict && !verdict_expected(scenario, *verdict)) {
        failure.check = verdict->check->name;
        failure.message = verdict->message;
        failure.at = verdict->at;
        failure.cpu = verdict->cpu;
        failure.record_number = verdict->record_number;
        return failure;
    }
    if (expectations)
        for (const ExpectationResult& e : experiment.expectations())
            if (e.outcome == ExpectationOutcome::kFailed) {
                failure.check = "expectation";
                failure.message = e.what + ": " + e.found;
                failure.at = experiment.reached();
                return failure;
            }
    return std::nullopt;
}

Outcome run_one(const Scenario& scenario, const HuntOptions& options, std::uint64_t seed) {
    ExperimentOptions run;
    run.seed = seed;
    // Structures are looked at by the kernel's own checks at each lock; a few looks from outside bound a loss.
    run.looks = 8;
    run.metrics = false;
    if (options.strategy == HuntStrategy::kRandom)
        run.disturbance = random_disturbance(seed, scenario.machine);
    Experiment experiment(scenario, run);
    experiment.run();
    Outcome outcome{failure_of(experiment, scenario, options.count_expectations),
                    experiment.end() == sim::RunEnd::kBudget, experiment.machine().records().committed()};
    if (outcome.failure) {
        outcome.failure->seed = seed;
        if (run.disturbance)
            outcome.failure->disturbance = *run.disturbance;
    }
    return outcome;
}

/// Hands out seeds to the threads and takes their outcomes back.
class Queue {
public:
    explicit Queue(const HuntOptions& options) : next_(options.first_seed), last_(options.last_seed) {}

    std::optional<std::uint64_t> take() {
        const std::lock_guard guard(mutex_);
        if (closed_ || next_ > last_ || exhausted_)
            return std::nullopt;
        const std::uint64_t seed = next_;
        exhausted_ = next_ == last_;
        ++next_;
        return seed;
    }
    void put(std::uint64_t seed, Outcome outcome) {
        const std::lock_guard guard(mutex_);
        done_.emplace(seed, std::move(outcome));
        ready_.notify_one();
    }
    void fail(std::exception_ptr error) {
        const std::lock_guard guard(mutex_);
        if (!error_)
            error_ = std::move(error);
        closed_ = true;
        ready_.notify_one();
    }
    void close() {
        const std::lock_guard guard(mutex_);
        closed_ = true;
    }
    /// The outcome of `seed`, or none after `patience`; rethrows what a run threw.
    std::optional<Outcome> wait_for(std::uint64_t seed, std::chrono::milliseconds patience) {
        std::unique_lock lock(mutex_);
        ready_.wait_for(lock, patience, [&] { return error_ || done_.contains(seed); });
        if (error_)
            std::rethrow_exception(error_);
        const auto at = done_.find(seed);
        if (at == done_.end())
            return std::nullopt;
        Outcome outcome = std::move(at->second);
        done_.erase(at);
        return outcome;
    }

private:
    std::mutex mutex_;
    std::condition_variable ready_;
    std::uint64_t next_;
    std::uint64_t last_;
    bool exhausted_ = false;
    bool closed_ = false;
    std::map<std::uint64_t, Outcome> done_;
    std::exception_ptr error_;
};

}  // namespace

HuntResult hunt(const Scenario& scenario, const HuntOptions& options, const HuntObserver& observer) {
    const Clock::time_point began = Clock::now();
    Queue queue(options);
    std::vector<std::jthread> threads;
    // Whatever way this function is left, no thread starts another run.
    struct Closer {
        Queue& queue;
        ~Closer() { queue.close(); }
    };
    HuntResult result;
    const auto work = [&] {
        while (const std::optional<std::uint64_t> seed = queue.take()) {
            try {
                queue.put(*seed, run_one(scenario, options, *seed));
            } catch (...) {
                queue.fail(std::current_exception());
            }
        }
    };
    const std::uint64_t seeds = options.last_seed - options.first_seed;
    const Closer closer{queue};
    for (unsigned i = 0; i < std::max(1u, options.jobs) && i <= seeds; ++i)
        threads.emplace_back(work);

    constexpr std::chrono::milliseconds kPatience{50};
    for (std::uint64_t seed = options.first_seed;;) {
        if (observer.interrupted()) {
            result.end = HuntEnd::kInterrupted;
            break;
        }
        if (options.budget && Clock::now() - began >= *options.budget) {
            result.end = HuntEnd::kBudget;
            break;
        }
        const std::optional<Outcome> outcome = queue.wait_for(seed, kPatience);
        if (!outcome)
            continue;
        ++result.runs;
        result.records += outcome->records;
        result.inconclusive += outcome->inconclusive;
        if (outcome->failure) {
            ++result.failures;
            observer.failed(*outcome->failure);
        }
        observer.progress(result);
        if (options.stop_after != 0 && result.failures == options.stop_after) {
            result.end = HuntEnd::kStopAfter;
            break;
        }
        if (seed++ == options.last_seed)
            break;
    }
    return result;
}

}  // namespace ticklab::lab
