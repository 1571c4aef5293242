#include "ticklab/lab/museum/museum.hpp"

#include <algorithm>
#include <chrono>
#include <numeric>
#include <stdexcept>

#include "ticklab/lab/ordered_tasks.hpp"

namespace ticklab::lab {
namespace {

using MuseumClock = std::chrono::steady_clock;

/// Hunts of one exhibit by one strategy under one master seed.
class ExhibitHunt {
public:
    ExhibitHunt(const Exhibit& exhibit, HuntStrategy asked, std::uint64_t master, const MuseumOptions& options,
                const std::function<bool()>& interrupted)
        : exhibit_(exhibit), interrupted_(interrupted) {
        options_.strategy = exhibit.misses_expectation() ? HuntStrategy::kSeeds : asked;
        if (options_.strategy == HuntStrategy::kPct)
            options_.depth = kPctDepth;
        options_.first_seed = (master - 1) * options.runs + 1;
        options_.count_expectations = exhibit.misses_expectation();
    }

    /// Nothing if interrupted.
    std::optional<MuseumSearch> search(std::uint64_t most_runs) {
        MuseumSearch search;
        const MuseumClock::time_point began = MuseumClock::now();
        search.runs = hunt_in(exhibit_.broken, most_runs, search.failure);
        search.seconds = std::chrono::duration<double>(MuseumClock::now() - began).count();
        if (!cut_off_ && search.runs != 0)
            search.fixed_runs = hunt_in(exhibit_.fixed, search.runs, search.false_alarm);
        return cut_off_ ? std::nullopt : std::optional(search);
    }

private:
    /// Up to the first failure, `most_runs` at most; how many it were.
    std::uint64_t hunt_in(const Scenario& scenario, std::uint64_t most_runs, std::optional<HuntFailure>& failure) {
        options_.last_seed = options_.first_seed + most_runs - 1;
        std::uint64_t runs = 0;
        HuntObserver observer;
        observer.failed = [&](const HuntFailure& f) { failure = f; };
        observer.progress = [&](const HuntResult& so_far) { runs = so_far.runs; };
        observer.interrupted = [&] {
            cut_off_ = cut_off_ || interrupted_();
            return cut_off_ || runs == most_runs;
        };
        return hunt(scenario, options_, observer).runs;
    }

    const Exhibit& exhibit_;
    const std::function<bool()>& interrupted_;
    HuntOptions options_;
    bool cut_off_ = false;
};

/// Position in the order of exhibits, then strategies, then master seeds.
struct SearchNumber {
    std::size_t exhibit, strategy;
    std::uint64_t master;  ///< from 1
};

SearchNumber search_number(std::uint64_t number, const MuseumOptions& options) {
    const std::uint64_t of_exhibit = options.strategies.size() * options.masters;
    return {static_cast<std::size_t>(number / of_exhibit),
            static_cast<std::size_t>(number % of_exhibit / options.masters), number % options.masters + 1};
}

const MuseumSearch& median_search(const std::vector<MuseumSearch>& searches) {
    std::vector<const MuseumSearch*> order;
    order.reserve(searches.size());
    for (const MuseumSearch& search : searches)
        order.push_back(&search);
    std::stable_sort(order.begin(), order.end(), [](const MuseumSearch* a, const MuseumSearch* b) {
        return std::pair(!a->failure, a->runs) < std::pair(!b->failure, b->runs);
    });
    return *order[order.size() / 2];
}

const HuntFailure* first_failure(const MuseumResult& result) {
    for (const StrategySearches& strategy : result.strategies)
        for (const MuseumSearch& search : strategy.searches)
            if (search.failure)
                return &*search.failure;
    return nullptr;
}

/// Tasks 0 to `count` - 1 in parallel, handed over in order until `take` says that it is enough.
template <class Outcome, class Take>
void in_order(std::uint64_t count, unsigned jobs, typename std::function<Outcome(std::uint64_t)> task, Take take) {
    constexpr std::chrono::milliseconds kPatience{50};
    if (count == 0)
        return;
    OrderedTasks<Outcome> tasks(0, count - 1, jobs, std::move(task));
    for (std::uint64_t i = 0; i < count;)
        if (std::optional<Outcome> outcome = tasks.next(kPatience))
            if (!take(i++, *std::move(outcome)))
                return;
}

}  // namespace

std::uint64_t StrategySearches::found() const {
    return static_cast<std::uint64_t>(
        std::count_if(searches.begin(), searches.end(), [](const MuseumSearch& s) { return s.failure.has_value(); }));
}

std::optional<std::uint64_t> StrategySearches::median_runs() const {
    const MuseumSearch& search = median_search(searches);
    return search.failure ? std::optional(search.runs) : std::nullopt;
}

std::optional<double> StrategySearches::median_seconds() const {
    if (!median_runs())
        return std::nullopt;
    std::vector<double> seconds;
    for (const MuseumSearch& search : searches)
        if (search.failure)
            seconds.push_back(search.seconds);
    // A search that found nothing took longer than any.
    std::sort(seconds.begin(), seconds.end());
    return seconds[searches.size() / 2];
}

std::uint64_t MuseumResult::found() const {
    return std::transform_reduce(strategies.begin(), strategies.end(), std::uint64_t{0}, std::plus<>(),
                                 [](const StrategySearches& s) { return s.found(); });
}

std::uint64_t MuseumResult::fixed_runs() const {
    std::uint64_t runs = 0;
    for (const StrategySearches& strategy : strategies)
        for (const MuseumSearch& search : strategy.searches)
            runs += search.fixed_runs;
    return runs;
}

bool MuseumResult::false_alarm() const {
    for (const StrategySearches& strategy : strategies)
        for (const MuseumSearch& search : strategy.searches)
            if (search.false_alarm)
                return true;
    return false;
}

Museum walk_museum(const ScenarioLoader& loader, std::span<const Exhibit> exhibits, const MuseumOptions& options,
                   const MuseumObserver& observer) {
    Museum museum;
    const std::uint64_t of_exhibit = options.strategies.size() * options.masters;
    const std::uint64_t searches = of_exhibit * exhibits.size();
    const std::uint64_t of = searches + (options.shrink ? exhibits.size() : 0);
    in_order<std::optional<MuseumSearch>>(
        searches, options.jobs,
        [&](std::uint64_t number) {
            const SearchNumber n = search_number(number, options);
            const Exhibit& exhibit = exhibits[n.exhibit];
            try {
                return ExhibitHunt(exhibit, options.strategies[n.strategy], n.master, options, observer.interrupted)
                    .search(options.runs);
            } catch (const std::invalid_argument& e) {
                throw std::invalid_argument(exhibit.file + ": " + e.what());
            }
        },
        [&](std::uint64_t number, std::optional<MuseumSearch> search) {
            const SearchNumber n = search_number(number, options);
            museum.interrupted = !search;
            if (museum.interrupted) {
                // A row that is half done is none.
                museum.entries.resize(n.exhibit);
                return false;
            }
            if (number % of_exhibit == 0)
                museum.entries.push_back({&exhibits[n.exhibit], {}, {}});
            std::vector<StrategySearches>& strategies = museum.entries.back().strategies;
            if (n.master == 1)
                strategies.push_back({options.strategies[n.strategy], {}});
            strategies.back().searches.push_back(*std::move(search));
            observer.progress(number + 1, of, exhibits[n.exhibit]);
            return true;
        });
    if (!options.shrink || museum.interrupted)
        return museum;
    in_order<std::optional<ShrunkSize>>(
        museum.entries.size(), options.jobs,
        [&](std::uint64_t number) -> std::optional<ShrunkSize> {
            const MuseumResult& entry = museum.entries[number];
            const HuntFailure* const failure = first_failure(entry);
            // With fewer steps an expectation is missed for reasons of its own.
            if (!failure || entry.exhibit->misses_expectation())
                return std::nullopt;
            return shrunk_size(loader, *entry.exhibit, *failure, observer.interrupted);
        },
        [&](std::uint64_t number, std::optional<ShrunkSize> size) {
            museum.interrupted = observer.interrupted();
            if (museum.interrupted)
                return false;
            museum.entries[number].shrunk = size;
            observer.progress(searches + number + 1, of, *museum.entries[number].exhibit);
            return true;
        });
    return museum;
}

}  // namespace ticklab::lab
