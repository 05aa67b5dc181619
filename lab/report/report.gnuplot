# Draws curves.png and curves.svg: the mean learning curves of a report. To draw them again, after changing
# what you like: gnuplot curves.gnuplot
#
# curves.dat     the numbers: a block for each experiment, of columns x, then mean, lowest and highest of score
#                and of success
# curves.panels  names, in columns separated by tabs: kind, panel, a, b, way, text
#   figure  0, largest x, 0, name of the x axis, title
#   line    0, block in curves.dat, 0, -, name of the experiment

set datafile separator "\t"
set datafile commentschars ""
stats 'curves.panels' using 0 nooutput
n = STATS_records
array a[n]; array way[n]; array words[n]
k = 0
stats 'curves.panels' using (k = k + 1, a[k] = $3, way[k] = strcol(5), words[k] = strcol(6), k) nooutput
set datafile separator whitespace
set datafile commentschars

# Okabe and Ito's colours, which the colour-blind can tell apart; after six the dash pattern changes.
colour(i) = word('#0072B2 #D55E00 #009E73 #CC79A7 #E69F00 #56B4E9', 1 + (i - 2) % 6)
dash(i) = 1 + (i - 2) / 6
point(i) = i < 8 ? 7 : 5

set border 3
set tics nomirror
set grid linetype 1 linewidth 0.5 linecolor rgb '#E4E4E4'
set key outside below horizontal Left reverse samplen 3 font 'Sans,9'
set xlabel way[1] offset 0,0.5
set lmargin 8
set rmargin 3
do for [format in 'png svg'] {
  if (format eq 'png') {
    set terminal pngcairo noenhanced size 1400,620 font 'Sans,10'
  } else {
    set terminal svg noenhanced size 1400,620 font 'Sans,10' background rgb 'white'
  }
  set output 'curves.'.format
  set multiplot layout 1,2 title words[1] font 'Sans,14'
  set yrange [0:*]
  set xrange [0:(a[1] > 0 ? a[1] * 1.01 : 1)]
  do for [mean in '2 5'] {
    set title (mean == 2 ? 'Score (100 x mean reward)' : 'Success rate (%)') font 'Sans,12'
    plot for [i=2:n] 'curves.dat' index int(a[i]) using 1:(column(mean + 1)):(column(mean + 2)) \
        with filledcurves linecolor rgb colour(i) fillstyle transparent solid 0.12 noborder notitle, \
      for [i=2:n] '' index int(a[i]) using 1:(column(mean + 0)) with linespoints linewidth 2 \
        dashtype dash(i) pointtype point(i) pointsize 0.6 linecolor rgb colour(i) title words[i]
  }
  unset multiplot
  set output
}
