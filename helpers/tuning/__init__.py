"""Many trainings: sweeps, searches and races, their results and their pictures.

Sweeps: `sweep` is the call; `groups` cuts it into groups of runs, trained here or by an
executor; `members` are the runs of a group, and `stacked` the one network that they are
trained as (`captured` makes a step of it quick on a GPU). `stop` hears Ctrl-C between
two steps, `shared_data` gives each process the data once, `results` is what comes back,
`kept` and `under_way` what is on disk, `progress_bar` and `sweep_plots` what is shown.

Searches: `search` is the call; `trial_runner` asks the learner's function for Configs,
trains them epoch by epoch and gives up early; `study_file` opens Optuna's journal;
`search_result` is what comes back, and with `study_plot` what is shown.

Races: `race` is the call, with its results and the races that came with the course;
`race_table` holds a sweep's learning curves, `strategies` search them, and `race_plot`
is what is shown.
"""
