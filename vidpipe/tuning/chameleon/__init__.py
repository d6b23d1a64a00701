"""Chameleon (Jiang et al., SIGCOMM 2018): settings that follow what each camera shows, judged on the stream itself.

Now and then the most expensive ("golden") configuration runs for a second, and what cheaper ones say of the same frames
is held against it. No labels are needed. `space.py` has the configurations and their costs, `trial.py` the second in
which some of them are held against golden, `policy.py` when that is due, for whom, and what follows from it, and
`groups.py` which streams are alike. `tuner.py` is all that as a tuner of a run; the bench has it as a baseline.

The paper itself could not be read for this; what is known of it comes from elsewhere:

- from readers' notes on it: windows are cut into segments; the space is profiled on the first segment of a window only,
  knob by knob with all others held at golden; knobs are taken for monotone, so a knob is stopped where it is good or
  bad enough; a leader finds the k cheapest configurations of enough accuracy and shares them with its followers; later
  segments try only those; accuracy is the F1 of a frame against golden; streams are first grouped by k-means on the
  accuracies of their first profiles;
- from the code of those who built it anew (dayu-autostreamer/dayu, mmoha014/Video-Analytics-system): segments of 4 s,
  windows of 4 segments, a profile of at most 1 s, k = 5, and the product of knobs as a configuration's accuracy;
- not verified: whether golden runs in later segments too (`Rules.tries` has both), how followers are assigned anew, and
  at which accuracies the paper aims.

Of our own are the numbers by which window and k adapt, when a follower leaves, where exactly a knob is stopped, and
that a profile without an object counts for nothing: in an empty second every configuration looks perfect.
"""
