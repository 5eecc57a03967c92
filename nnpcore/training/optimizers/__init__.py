"""What changes the weights: Kalman filter, Adam, L-BFGS."""
